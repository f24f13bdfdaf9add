"""What an instance is made of: its configuration files, modules, and the events it tells."""

FILES = (
    "acl", "aeap", "asterisk", "ccss", "cdr", "cel", "cel_custom", "codecs", "confbridge",
    "extensions", "extensions_control", "features", "http", "indications", "logger", "manager",
    "modules", "musiconhold", "pjproject", "pjsip", "queuerules", "queues", "rtp", "say", "udptl",
)  # fmt: skip
AGENT_FILES = ("extensions_agents", "pjsip_agents", "queues_agents")
CARRIER_FILES = (
    "acl", "asterisk", "ccss", "cdr", "carrier/cel", "codecs", "carrier/extensions", "features",
    "indications", "logger", "carrier/manager", "modules", "musiconhold", "pjproject",
    "carrier/pjsip", "rtp", "udptl",
)  # fmt: skip

EVENTS = (
    "FullyBooted", "Shutdown", "Reload", "Newchannel", "Hangup", "QueueCallerJoin",
    "QueueCallerLeave", "QueueCallerAbandon", "AgentCalled", "AgentRingNoAnswer", "AgentConnect",
    "AgentComplete", "NewCallerid", "UserEvent", "OriginateResponse", "ContactStatus",
    "AttendedTransfer", "BlindTransfer",
)  # fmt: skip
CARRIER_EVENTS = ("FullyBooted", "Hangup", "OriginateResponse", "Registry", "UserEvent")

_MEDIA = (
    "res_timing_timerfd", "res_sorcery_config", "res_sorcery_memory", "res_sorcery_astdb",
    "res_pjproject", "res_musiconhold", "res_rtp_asterisk", "res_format_attr_opus",
    "codec_ulaw", "codec_alaw", "codec_a_mu", "codec_resample", "format_wav", "format_pcm",
    "format_sln", "bridge_simple", "bridge_softmix", "bridge_holding",
    "bridge_builtin_features", "bridge_builtin_interval_features",
)  # fmt: skip
_SIP = (
    "res_pjsip", "res_pjsip_session", "res_pjsip_sdp_rtp", "res_pjsip_authenticator_digest",
    "res_pjsip_endpoint_identifier_ip", "res_pjsip_caller_id", "res_pjsip_diversion",
    "res_pjsip_dtmf_info", "res_pjsip_header_funcs", "res_pjsip_nat", "res_pjsip_rfc3326",
    "res_pjsip_dlg_options", "res_pjsip_logger", "res_pjsip_pubsub", "chan_pjsip",
)  # fmt: skip
_DIALPLAN = (
    "pbx_config", "app_dial", "app_exec", "app_playback", "app_playtones", "app_stack",
    "app_userevent", "app_mixmonitor", "app_senddtmf", "func_callerid", "func_channel",
    "func_cut", "func_global", "func_logic", "func_strings", "func_timeout", "func_uri",
    "func_pjsip_endpoint",
)  # fmt: skip
MODULES = (
    # res_agi and app_speech_utils need res_speech first; the browser's media needs SRTP and codecs
    *_MEDIA, "res_srtp", "codec_g722", "codec_opus_open_source", "codec_opus",
    "res_http_websocket", "res_speech", "res_aeap", "res_speech_aeap", "res_agi",
    *_SIP, "res_pjsip_endpoint_identifier_user", "res_pjsip_registrar",
    "res_pjsip_refer", "res_pjsip_transport_websocket", "res_pjsip_acl",
    *_DIALPLAN, "app_queue", "app_confbridge", "app_chanspy", "app_speech_utils",
    "app_celgenuserevent", "app_read", "app_record", "app_verbose", "res_cdrel_custom",
    "cel_custom", "func_db", "func_devstate", "func_import",
)  # fmt: skip
CARRIER_MODULES = (
    # not ours: packets handed on as they came deafen who hears them, see docs/decisions/022
    *_MEDIA, "bridge_native_rtp", *_SIP, "res_pjsip_outbound_registration",
    "res_pjsip_outbound_authenticator_digest", *_DIALPLAN,
)  # fmt: skip
