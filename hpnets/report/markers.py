"""Generated text is put between markers of a page."""

from pathlib import Path

from hpnets.atomic_files import write_text


def check_markers(page: Path, name: str) -> tuple[str, str]:
    """The markers <!-- name --> and <!-- end name -->; raises ValueError if the page is missing or lacks one."""
    begin, end = f"<!-- {name} -->", f"<!-- end {name} -->"
    content = page.read_text() if page.is_file() else ""
    if begin not in content or end not in content:
        raise ValueError(f"{page} lacks the markers {begin} and {end}")
    return begin, end


def replace_between(page: Path, name: str, text: str) -> None:
    """Put `text` between <!-- name --> and <!-- end name --> of a page; raises ValueError if a marker is missing."""
    begin, end = check_markers(page, name)
    content = page.read_text()
    before, after = content.split(begin)[0], content.split(end)[1]
    write_text(page, f"{before}{begin}\n{text}\n{end}{after}")
