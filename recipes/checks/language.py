"""Language models of transformers, with two narrow layers and random weights."""

from collections.abc import Callable
from functools import partial

from torch import nn

from recipes.checks.tokens import VOCABULARY, Tokens, logits_of

WIDTH, HEADS, LAYERS, HIDDEN, EXPERTS = 32, 4, 2, 64, 4
# Each model reads the names that it knows and leaves the others alone.
SIZES = {
    **dict.fromkeys(("hidden_size", "d_model", "n_embd", "dim", "embedding_size"), WIDTH),
    **dict.fromkeys(("num_hidden_layers", "n_layer", "n_layers", "num_layers"), LAYERS),
    **dict.fromkeys(("encoder_layers", "decoder_layers"), LAYERS),
    **dict.fromkeys(("num_attention_heads", "n_head", "n_heads", "num_heads"), HEADS),
    **dict.fromkeys(("encoder_attention_heads", "decoder_attention_heads"), HEADS),
    **dict.fromkeys(("head_dim", "d_kv", "state_size"), WIDTH // HEADS),
    **dict.fromkeys(("intermediate_size", "d_ff", "n_inner", "hidden_dim"), HIDDEN),
    **dict.fromkeys(("encoder_ffn_dim", "decoder_ffn_dim"), HIDDEN),
    **dict.fromkeys(("num_experts", "num_local_experts", "n_routed_experts"), EXPERTS),
    **dict.fromkeys(("max_position_embeddings", "n_positions"), 64),
    "num_key_value_heads": 2,
    "num_experts_per_tok": 2,
    "moe_intermediate_size": WIDTH,
    "vocab_size": VOCABULARY,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "experts_implementation": "eager",  # the fast one has no float64
}
CLASSIFIERS = """
    albert arcee bert big_bird biogpt bloom camembert convbert ctrl data2vec-text deberta deberta-v2 diffllama
    distilbert doge electra ernie esm eurobert exaone4 flaubert fnet gemma gemma2 gemma3_text glm glm4 gpt-sw3 gpt2
    gpt_bigcode gpt_neox gpt_oss gte helium hunyuan_v1_dense hunyuan_v1_moe ibert jetmoe jina_embeddings_v3 layoutlm
    llama longformer megatron-bert minimax ministral ministral3 mistral mixtral mobilebert modernbert
    modernbert-decoder mpnet mpt nemotron nomic_bert nystromformer olmo olmo2 olmo3 openai-gpt opt persimmon phi phi3
    phimoe qwen2 qwen2_moe qwen3 qwen3_moe rembert roberta roberta-prelayernorm roformer seed_oss smollm3 squeezebert
    stablelm starcoder2 tapas xlm xlm-roberta xlm-roberta-xl yoso
    """
GENERATORS = """
    afmoe apertus aria_text bert-generation bitnet blenderbot blenderbot-small cohere cohere2 cwm ernie4_5 ernie4_5_moe
    falcon_h1 flex_olmo fuyu glm4_moe gpt_neox_japanese granite granitemoe granitemoeshared lfm2 llama4_text marian
    minimax_m2 nanochat olmo_hybrid olmoe pegasus trocr vaultgemma whisper
    """


def create(kind: str, auto: str, outputs: int) -> nn.Module:
    """A model of a kind, by transformers' class `auto`."""
    import transformers

    config = transformers.AutoConfig.for_model(kind, **SIZES, num_labels=outputs)
    return Tokens(getattr(transformers, auto).from_config(config), outputs, logits_of)


LANGUAGE: dict[str, Callable[[int], nn.Module]] = {
    f"transformers/{kind}": partial(create, kind, auto)
    for auto, kinds in (("AutoModelForSequenceClassification", CLASSIFIERS), ("AutoModelForCausalLM", GENERATORS))
    for kind in kinds.split()
}
