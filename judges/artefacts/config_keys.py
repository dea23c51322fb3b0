"""Which settings may a checkpoint's files give, and which values?

Everything is refused that is not listed here. A setting that transformers knows and that names code, a kernel, another
model or a quantiser is not listed: config.json alone ran code before transformers 5.3 (CVE-2026-4372).
"""

import difflib
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from judges.artefacts.rejection import refused
from judges.artefacts.value_rules import (
    MAX_LABELS,
    Rule,
    either,
    fields,
    is_activation,
    is_count,
    is_dtype,
    is_flag,
    is_number,
    is_template,
    is_text,
    is_word,
    list_of,
    table_of,
)

DECODERS = {"llama", "mistral", "qwen2", "qwen3", "gemma", "gemma2", "phi", "phi3", "olmo", "olmo2", "olmo3"}
DECODERS |= {"smollm3", "granite", "starcoder2", "stablelm", "gpt2", "gpt_neox", "opt"}
ENCODERS = {"bert", "roberta", "xlm-roberta", "distilbert", "electra", "albert", "mpnet", "deberta", "deberta-v2"}
MODEL_TYPES = DECODERS | ENCODERS | {"modernbert"}
MAX_TEMPLATE = 256 << 10  # bytes of a chat template
_KERNEL = re.compile(r"attn_impl|attention_impl|experts_impl|kernel|flash_attn", re.IGNORECASE)
_CODE = re.compile(r"auto_map|custom_|remote_code|backbone|_file$|processor|fusion", re.IGNORECASE)


def _all(rule: Rule, names: str) -> dict[str, Rule]:
    return dict.fromkeys(names.split(), rule)


ROPE: dict[str, Rule] = {
    **_all(is_word, "rope_type type"),
    **_all(
        is_number,
        "rope_theta factor partial_rotary_factor attention_factor beta_fast beta_slow low_freq_factor"
        " high_freq_factor original_max_position_embeddings mscale mscale_all_dim",
    ),
    **_all(list_of(is_number, 4_096), "short_factor long_factor"),
    "truncate": is_flag,
}
_ROPES = either(fields(ROPE), table_of(fields(ROPE), 8))

CONFIG: dict[str, Rule] = {
    **_all(
        is_count,
        "vocab_size hidden_size intermediate_size num_hidden_layers num_attention_heads num_key_value_heads head_dim"
        " max_position_embeddings pad_token_id bos_token_id sep_token_id cls_token_id mask_token_id"
        " decoder_start_token_id pretraining_tp sliding_window max_window_layers original_max_position_embeddings"
        " n_embd n_head n_inner n_layer n_positions n_ctx dim hidden_dim n_heads n_layers type_vocab_size"
        " embedding_size max_relative_positions position_buckets pooler_hidden_size chunk_size_feed_forward"
        " query_pre_attn_scalar local_attention global_attn_every_n_layers ffn_dim word_embed_proj_dim pooler_fc_size"
        " pooler_num_attention_heads pooler_num_fc_layers pooler_size_per_head num_hidden_groups inner_group_num"
        " relative_attention_num_buckets no_rope_layer_interval",
    ),
    **_all(
        is_number,
        "initializer_range rms_norm_eps layer_norm_eps layer_norm_epsilon norm_eps rope_theta attention_dropout"
        " hidden_dropout resid_pdrop embd_pdrop attn_pdrop residual_dropout embedding_dropout classifier_dropout"
        " classifier_dropout_prob attention_probs_dropout_prob hidden_dropout_prob summary_first_dropout"
        " summary_last_dropout pooler_dropout seq_classif_dropout qa_dropout dropout attn_logit_softcapping"
        " final_logit_softcapping partial_rotary_factor rotary_pct rotary_emb_base clip_qkv rope_local_base_freq"
        " global_rope_theta local_rope_theta mlp_dropout embedding_multiplier logits_scaling residual_multiplier"
        " attention_multiplier norm_epsilon layerdrop embed_dropout initializer_cutoff_factor init_std"
        " sparse_pred_ignore_index",
    ),
    **_all(
        is_flag,
        "tie_word_embeddings use_cache attention_bias mlp_bias use_sliding_window output_hidden_states"
        " output_attentions return_dict is_encoder_decoder is_decoder add_cross_attention reorder_and_upcast_attn"
        " scale_attn_by_inverse_layer_idx scale_attn_weights summary_proj_to_labels summary_use_proj"
        " sinusoidal_pos_embds relative_attention position_biased_input legacy use_parallel_residual"
        " gradient_checkpointing use_bidirectional_attention qk_layernorm use_bias use_qkv_bias norm_bias decoder_bias"
        " classifier_bias deterministic_flash_attn sparse_prediction share_att_key norm_rel_ebd_flag"
        " layer_norm_elementwise_affine enable_bias do_layer_norm_before _remove_final_layer_norm tie_encoder_decoder"
        " torchscript",
    ),
    **_all(is_activation, "hidden_act activation_function activation hidden_activation pooler_hidden_act"),
    **_all(is_activation, "classifier_activation"),
    **_all(is_dtype, "dtype torch_dtype"),
    **_all(
        is_word,
        "model_type transformers_version problem_type summary_type position_embedding_type classifier_pooling"
        " norm_rel_ebd directionality pooler_type",
    ),
    "summary_activation": either(is_activation, is_word),
    "eos_token_id": either(is_count, list_of(is_count, 64)),
    "architectures": list_of(is_word, 4),
    "layer_types": list_of(is_word),
    "no_rope_layers": list_of(is_count),
    "pos_att_type": either(is_word, list_of(is_word, 8)),
    "id2label": table_of(is_text),
    "label2id": table_of(is_count),
    "rope_parameters": _ROPES,
    "rope_scaling": _ROPES,
    "task_specific_params": table_of(table_of(either(is_number, is_flag, is_text)), 64),
    "num_labels": lambda value: is_count(value) and 0 < value <= MAX_LABELS,
    **_all(is_flag, "_attn_implementation_autoset is_llama_config unsloth_fixed"),
    **_all(is_text, "_name_or_path unsloth_version"),
    "unk_token_id": is_count,
    "rope_interleaved": lambda value: value is False,
    "transformers.js_config": lambda value: isinstance(value, dict),
}

UNREAD = {
    "_attn_implementation_autoset",
    "_name_or_path",
    "is_llama_config",
    "rope_interleaved",
    "task_specific_params",
    "transformers.js_config",
    "transformers_version",
    "unk_token_id",
    "unsloth_fixed",
    "unsloth_version",
}
"""Settings that older releases and other tools write and that are never handed on, whatever they say."""

GENERATION: dict[str, Rule] = {
    **_all(
        is_count,
        "max_length max_new_tokens min_length min_new_tokens num_beams top_k no_repeat_ngram_size"
        " num_return_sequences pad_token_id bos_token_id forced_bos_token_id decoder_start_token_id",
    ),
    **_all(
        is_number,
        "temperature top_p min_p top_h typical_p epsilon_cutoff eta_cutoff repetition_penalty length_penalty max_time",
    ),
    **_all(
        is_flag,
        "do_sample use_cache output_attentions output_hidden_states output_scores output_logits"
        " return_dict_in_generate renormalize_logits remove_invalid_values _from_model_config",
    ),
    "early_stopping": either(is_flag, is_word),
    "cache_implementation": lambda value: value in ("dynamic", "static", "hybrid"),
    "eos_token_id": either(is_count, list_of(is_count, 64)),
    "forced_eos_token_id": either(is_count, list_of(is_count, 64)),
    "suppress_tokens": list_of(is_count),
    "begin_suppress_tokens": list_of(is_count),
    "bad_words_ids": list_of(list_of(is_count)),
    "transformers_version": is_word,
}

ADDED_TOKEN: dict[str, Rule] = {
    **_all(is_text, "content"),
    **_all(is_flag, "lstrip rstrip normalized single_word special"),
    **_all(is_word, "__type"),
    "id": is_count,
}
_TOKEN = either(is_text, fields(ADDED_TOKEN))
_TOKENS = either(list_of(_TOKEN, 100_000), table_of(_TOKEN, 100_000))
_SPECIAL = "unk_token bos_token eos_token pad_token sep_token cls_token mask_token"

SPECIAL_TOKENS: dict[str, Rule] = {
    **_all(_TOKEN, _SPECIAL),
    **_all(_TOKENS, "additional_special_tokens extra_special_tokens"),
}

TOKENIZER: dict[str, Rule] = {
    **_all(_TOKEN, _SPECIAL),
    **_all(
        _TOKENS,
        "additional_special_tokens extra_special_tokens model_specific_special_tokens added_tokens_decoder",
    ),
    **_all(
        is_flag,
        "add_bos_token add_eos_token add_prefix_space legacy clean_up_tokenization_spaces use_default_system_prompt"
        " spaces_between_special_tokens split_special_tokens do_lower_case strip_accents tokenize_chinese_chars"
        " do_basic_tokenize trim_offsets is_local local_files_only split_by_punct from_slow fix_mistral_regex"
        " keep_accents remove_space",
    ),
    **_all(is_number, "model_max_length"),  # int(1e30) when there is no limit
    **_all(is_count, "max_length stride pad_to_multiple_of pad_token_type_id"),
    **_all(
        is_word,
        "tokenizer_class padding_side truncation_side truncation_strategy errors backend vocab_type"
        " transformers_version",
    ),
    **_all(is_text, "name_or_path _name_or_path  "),
    "chat_template": is_template(MAX_TEMPLATE),
    "model_input_names": list_of(is_word, 16),
    "never_split": list_of(is_text),
    "sp_model_kwargs": lambda value: value == {},
    "response_schema": lambda value: value is None,
}

ADAPTER: dict[str, Rule] = {
    **_all(is_count, "r"),
    **_all(is_number, "lora_alpha lora_dropout"),
    **_all(is_flag, "fan_in_fan_out inference_mode use_rslora ensure_weight_tying"),
    **_all(is_word, "peft_type task_type peft_version"),
    **_all(is_text, "base_model_name_or_path revision"),
    "bias": lambda value: value == "none",
    "init_lora_weights": lambda value: value in (True, False, "gaussian", "orthogonal"),  # others change the base too
    "target_modules": either(is_text, list_of(is_word, 10_000)),
    "exclude_modules": either(is_text, list_of(is_word, 10_000)),
    "modules_to_save": list_of(is_word, 64),
    "layers_to_transform": either(is_count, list_of(is_count)),
    "layers_pattern": either(is_word, list_of(is_word)),
    **_all(is_word, "megatron_core"),
    **_all(is_count, "qalora_group_size"),
}


class Described(NamedTuple):
    """The settings that one kind of file may give. skips_off: others may be there, null, false or empty."""

    rules: Mapping[str, Rule]
    limit: int  # bytes
    skips_off: bool = False


FILES = {
    "config.json": Described(CONFIG, 1 << 20),
    "generation_config.json": Described(GENERATION, 1 << 20),
    "tokenizer_config.json": Described(TOKENIZER, 16 << 20),
    "special_tokens_map.json": Described(SPECIAL_TOKENS, 1 << 20),
    "adapter_config.json": Described(ADAPTER, 1 << 20, skips_off=True),  # no library sees it; PEFT adds keys
}


def check_settings(path: Path, told: Mapping[str, Any]) -> None:
    """Refuse a file of FILES that gives a setting or a value which is not listed. Raises ArtifactRejected."""
    rules, _, skips_off = FILES[path.name]
    for key, value in told.items():
        if key not in rules and skips_off and value in (None, False, {}, []):
            continue
        if key not in rules:
            raise refused(path, _code_of(key), f"key {key[:80]!r} is not one that is read{_nearest(key, rules)}")
        if value is not None and not rules[key](value):
            raise refused(path, "bad_value", f"key {key!r}: value {str(value)[:80]!r} is not one that is read")


def check_model(path: Path, config: Mapping[str, Any]) -> None:
    """Refuse a model whose type is not a dense text model of MODEL_TYPES. Raises ArtifactRejected."""
    if config.get("model_type") not in MODEL_TYPES:
        known = ", ".join(sorted(MODEL_TYPES))
        raise refused(path, "unknown_model", f"model_type {str(config.get('model_type'))[:40]!r}; known: {known}")
    labels = config.get("id2label")
    if labels is not None and not all(key.isdecimal() and len(key) < 8 for key in labels):
        raise refused(path, "bad_value", "key 'id2label': its keys are not whole numbers")


def _code_of(key: str) -> str:
    if _KERNEL.search(key):
        return "attention_kernel"
    return "remote_code" if _CODE.search(key) else "unknown_key"


def _nearest(key: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(key, known, n=1, cutoff=0.8)
    return f"; did you mean `{close[0]}`?" if close else ""
