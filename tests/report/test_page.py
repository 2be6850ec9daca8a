"""The html page: whole, alone, escaped, and small; `hpnets report` refuses what is no run."""

import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.in_process import run_script
from tests.report.run_folders import cut, write_run, write_study

# A page that the browser has loaded, sorted, filtered and toggled writes what it saw into this element.
PROBE = """<pre id="outcome"></pre><script>
const shown = () => [...document.querySelectorAll("#runs-table tbody tr:not(.hidden)")];
const rows = () => shown().map((row) => row.cells[0].textContent);
const press = (name) => [...document.querySelectorAll("th button")].find((b) => b.textContent === name).click();
const seen = [];
press("test metric"); seen.push(rows().join(" "));
press("test metric"); seen.push(rows().join(" "));
const filter = document.querySelector("input[type=search]");
filter.value = "UNFINISHED"; filter.dispatchEvent(new Event("input"));
seen.push(rows().join(" "), document.getElementById("runs-count").textContent);
const lines = () => document.querySelectorAll(".series-1:not(.hidden)").length, before = lines();
document.querySelector("button[data-series='1']").click();
seen.push(`${before > 0} ${lines()}`);
document.getElementById("outcome").textContent = seen.join("|");
</script></body>"""


class Elements(HTMLParser):
    """The ids, addresses and texts of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.addresses: list[str] = []
        self.scripts = 0
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.scripts += tag == "script"
        self.ids += [given["id"] or ""] if "id" in given else []
        self.addresses += [given[name] or "" for name in ("href", "src", "xlink:href") if name in given]


def made(tmp_path: Path, *words: str) -> str:
    page = tmp_path / "page.html"
    assert run_script("report", *words, "--out", str(page)) == 0
    return page.read_text()


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """Two seeds of a net, two of its twin, and a run that was killed."""
    for seed in (0, 1):
        write_run(tmp_path / "runs" / f"net{seed}", 0.9 + seed / 100, seed)
        write_run(tmp_path / "runs" / f"twin{seed}", 0.8 + seed / 100, seed, product="sum")
    killed = write_run(tmp_path / "runs" / "killed", seed=2, degree=7)
    (killed / "summary.json").unlink()
    return tmp_path / "runs"


def test_one_run(tmp_path: Path) -> None:
    page = made(tmp_path, str(write_run(tmp_path / "<script>alert(1)<&script>")))
    elements = Elements(page)
    assert elements.scripts == 1  # the page's own
    assert "&lt;script&gt;alert(1)" in page
    assert "a warning of &lt;the&gt; run" in page
    for text in ("Spectrum over time", "Kernel", "Top eigenvectors", "Worst test samples", "y_1 = U_1 x"):
        assert text in page
    worst = re.findall(r'<td class="number">(.*?)</td>', page)
    assert worst[:4] == ["11", "1", "0", "0.0453"]  # the sample that was taken for another class comes first
    assert page.count("<svg") > 8


def test_several_runs(runs: Path, tmp_path: Path) -> None:
    page = made(tmp_path, str(runs))
    assert page.count("<tr><td data-value") == 5
    assert "+0.1" in page
    assert "ccp on digits, degree 2, product hadamard (2 runs)" in page
    assert 'href="data:text/csv;' in page
    assert "unfinished" in page


@pytest.mark.parametrize("several", [False, True])
def test_a_page_needs_no_other_file_and_no_id_stands_twice(runs: Path, tmp_path: Path, several: bool) -> None:
    study = write_study(tmp_path / "study")
    elements = Elements(made(tmp_path, str(runs if several else runs / "net0"), str(study)))
    assert all(address.startswith(("#", "data:")) for address in elements.addresses)
    assert len(elements.ids) == len(set(elements.ids))
    targets = {address[1:] for address in elements.addresses if address.startswith("#")}
    assert targets <= set(elements.ids)


def test_a_study_is_shown_and_its_picture_is_not_executed(tmp_path: Path) -> None:
    page = made(tmp_path, str(write_study(tmp_path / "study")))
    assert "It holds &lt;always&gt;" in page
    assert Elements(page).scripts == 0
    assert 'src="data:image/svg+xml;base64,' in page
    assert "lacks &#39;seconds&#39;" in made(tmp_path, str(write_study(tmp_path / "old", seconds=None)))


def test_twenty_runs_are_less_than_two_megabytes_and_more_than_the_limit_are_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for seed in range(20):
        write_run(tmp_path / "many" / f"{seed:02}", 0.5 + seed / 100, seed, degree=2 + seed % 5)
    assert len(made(tmp_path, str(tmp_path / "many" / "*"))) < 2e6
    from hpnets.commands import report

    monkeypatch.setattr(report, "MOST", 15)
    page = made(tmp_path, str(tmp_path / "many"))
    assert "5 of 20 runs are left out" in page
    assert page.count("<tr><td data-value") == 15


def test_a_damaged_run_is_a_row_that_says_so(runs: Path, tmp_path: Path) -> None:
    cut(runs / "net0" / "metrics.csv", 140)
    cut(runs / "net1" / "ntk.safetensors", 100)
    page = made(tmp_path, str(runs))
    assert page.count(">damaged<") == 2
    assert "metrics.csv is not readable: line 3" in page
    assert "ntk.safetensors is not readable" in page


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nowhere"], "no such folder"),
        (["nowhere/*"], "no such folder"),
        (["."], "holds no run and no study; allowed: a folder with config.yaml or results.json"),
        ([], "no folder is given"),
        (["runs", "--out", "runs"], "out is 'runs', a folder"),
        (["runs", "--out", "runs/net0/config.yaml/page.html"], "allowed: a folder in one that can be written to"),
        (["runs", "--ou", "x.html"], "--out"),
    ],
)
def test_mistakes_are_one_line_and_nothing_is_written(
    runs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    (runs.parent / "empty").mkdir()
    monkeypatch.chdir(runs.parent / "empty" if words == ["."] else runs.parent)
    assert run_script("report", *words) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert message in error
    assert not list(runs.parent.rglob("*.html"))


@pytest.mark.skipif(not shutil.which("chromium"), reason="needs chromium: apt-get install chromium")
def test_the_page_works_in_a_browser(runs: Path, tmp_path: Path) -> None:
    (tmp_path / "probed.html").write_text(made(tmp_path, str(runs)).replace("</body>", PROBE))
    command = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--dump-dom"]
    command.append(str(tmp_path / "probed.html"))
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert "CONSOLE" not in ran.stderr
    seen = re.search(r'<pre id="outcome">(.*?)</pre>', ran.stdout)
    assert seen
    rising = "twin0 twin1 net0 net1 killed"
    falling = "net1 net0 twin1 twin0 killed"
    assert seen[1] == "|".join([rising, falling, "killed", "1 of 5 shown", "true 0"])
