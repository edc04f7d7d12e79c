// The words of the wallboard in both languages. Names and formulas of KPIs come from /api/v1/definitions.

const WORDS = {
  en: {
    skip: "Skip to the queues", window: "Window", channel: "Channel", all_channels: "All channels", as_of: "as of", now: "Right now", queues: "Queues", agents: "Agents",
    live: "Live", w_5m: "5 min", w_15m: "15 min", w_30m: "30 min", w_60m: "60 min", w_today: "Today", w_interval: "Interval",
    last_5m: "last 5 min", last_15m: "last 15 min", last_30m: "last 30 min", last_60m: "last 60 min",
    last_today: "today", last_interval: "this interval",
    agents_available: "Agents available", answered_of_entered: "Answered and entered",
    tile_longest: "Longest", tile_service: "Service", tile_asa: "Answer", tile_abandonment: "Abandon",
    attention: "Attention", action: "Act now", ok: "On target",
    target: "Target", of: "of", per_queue: "per queue", nobody: "nobody is waiting", sample: "Sample",
    of_agents: "of {n} signed in", no_data: "no data yet",
    feed_live: "Live", feed_connecting: "Connecting", feed_lost: "No connection", feed_loading: "Loading", feed_disconnected: "Kafka lost", feed_behind: "Stale", feed_failed: "Stale", feed_other_version: "Other version", feed_other_definitions: "Other settings",
    lost_title: "Connection to the board lost.", lost_text: "These figures are from {time}. Alarms are silenced; reconnecting.",
    disconnected_title: "The board cannot reach Kafka.", disconnected_text: "These figures are from {time}. Alarms are silenced; it reconnects by itself.",
    behind_title: "The figures are stale.", behind_text: "{n} events wait to be counted. The newest one counted is from {time}; alarms are silenced.",
    failed_title: "The board cannot compute these figures.", failed_text: "They are from {time}. Alarms are silenced; its log says why, and it tries again.",
    other_version_title: "The figures are of another version.", other_version_text: "This board would misread them. They appear once board and workers are of one version and, if a worker asks for it, rebuilt.",
    other_definitions_title: "The figures were counted under other settings.", other_definitions_text: "Thresholds or windows of the workers are not those that this board shows. Alarms are silenced until both have the same settings.",
    loading_title: "The board is loading.", loading_text: "{n} records read. Figures appear when they are complete.",
    connecting_title: "Connecting to the board.", connecting_text: "",
    no_queues: "No queue yet", no_queues_text: "Queues appear with their first event. Queues named in centralita.toml are always shown.",
    no_agents: "No agent has signed in.",
    state_available: "Available", state_busy: "On contact", state_wrap_up: "Wrap-up", state_paused: "Paused", state_offline: "Offline",
    more: "{n} more", fewer: "Show fewer",
    ledger: "Ledger", ledger_start: "waiting at start", ledger_end: "waiting at end", last_event: "last event {time}", never: "no event yet",
    lag: "data {time} old",
    watermark: "Events up to", zone: "Zone", counted: "events", duplicates: "duplicates", refused: "refused",
    definition: "Definition", about: "What {name} means", close: "Close", formula: "Formula", numerator: "Numerator", denominator: "Denominator",
    threshold: "Threshold T", of_tickets: "of tickets", short: "Short abandons up to", crediting: "Credited to", excluded: "Left out", version: "Version", value: "Now",
    status: "Status", status_open: "open: still filling", status_provisional: "provisional: may still change", status_final: "final",
    status_unavailable: "unavailable: not known here",
    levels: "Levels", bots: "Bots", bots_text: "never count as an answer", unit: "Unit",
    credit_COHORT: "the interval in which the caller entered the queue", credit_EVENT: "the interval of the event itself",
    credit_CLOSE: "the interval in which the conversation ended", credit_CLIP: "split over the intervals it spans", credit_now: "this moment",
    waiting_formula: "callers in the queue at this moment", longest_formula: "now − the time at which the first caller still waiting entered",
    agents_formula: "distinct agents whose state is available, at this moment",
    light: "Light theme", dark: "Dark theme", full: "TV mode (full screen)", language: "Español", language_short: "ES", page: "page {n} of {m}",
    announce_alarm: "{queue}: {metric}, {level}", total: "All queues", trend: "{name}: the last hours against the same hours a week ago",
  },
  es: {
    skip: "Ir a las colas", window: "Ventana", channel: "Canal", all_channels: "Todos los canales", as_of: "a las", now: "Ahora mismo", queues: "Colas", agents: "Agentes",
    live: "En vivo", w_5m: "5 min", w_15m: "15 min", w_30m: "30 min", w_60m: "60 min", w_today: "Hoy", w_interval: "Intervalo",
    last_5m: "últimos 5 min", last_15m: "últimos 15 min", last_30m: "últimos 30 min", last_60m: "últimos 60 min",
    last_today: "hoy", last_interval: "este intervalo",
    agents_available: "Agentes libres", answered_of_entered: "Atendidas y entradas",
    tile_waiting: "Esperan", tile_longest: "Más larga", tile_service: "Servicio", tile_asa: "Respuesta", tile_abandonment: "Abandono",
    reason_coffee: "café", reason_lunch: "comida", reason_training: "formación",
    attention: "Atención", action: "Actúe ya", ok: "En objetivo",
    target: "Objetivo", of: "de", per_queue: "por cola", nobody: "nadie espera", sample: "Muestra",
    of_agents: "de {n} conectados", no_data: "sin datos aún",
    feed_live: "En vivo", feed_connecting: "Conectando", feed_lost: "Sin conexión", feed_loading: "Cargando", feed_disconnected: "Sin Kafka", feed_behind: "Atrasado", feed_failed: "Atrasado", feed_other_version: "Otra versión", feed_other_definitions: "Otros ajustes",
    lost_title: "Se perdió la conexión con el panel.", lost_text: "Estas cifras son de las {time}. Alarmas en silencio; reconectando.",
    disconnected_title: "El panel no llega a Kafka.", disconnected_text: "Estas cifras son de las {time}. Alarmas en silencio; se reconecta solo.",
    behind_title: "Las cifras están atrasadas.", behind_text: "{n} eventos esperan ser contados. El último contado es del {time}; alarmas en silencio.",
    failed_title: "El panel no puede calcular estas cifras.", failed_text: "Son de las {time}. Alarmas en silencio; su registro dice por qué, y lo intenta de nuevo.",
    other_version_title: "Las cifras son de otra versión.", other_version_text: "Este panel las leería mal. Aparecen cuando panel y trabajadores son de la misma versión y, si un trabajador lo pide, se han reconstruido.",
    other_definitions_title: "Las cifras se contaron con otros ajustes.", other_definitions_text: "Umbrales o ventanas de los trabajadores no son los que muestra este panel. Alarmas en silencio hasta que ambos tengan los mismos ajustes.",
    loading_title: "El panel está cargando.", loading_text: "{n} registros leídos. Las cifras aparecen cuando están completas.",
    connecting_title: "Conectando con el panel.", connecting_text: "",
    no_queues: "Todavía no hay colas", no_queues_text: "Cada cola aparece con su primer evento. Las de centralita.toml se muestran siempre.",
    no_agents: "Ningún agente se ha conectado.",
    state_available: "Libre", state_busy: "En contacto", state_wrap_up: "Trabajo administrativo", state_paused: "En pausa", state_offline: "Desconectado",
    more: "{n} más", fewer: "Ver menos",
    ledger: "Balance", ledger_start: "en espera al inicio", ledger_end: "en espera al final", last_event: "último evento {time}", never: "sin eventos",
    lag: "datos de hace {time}",
    watermark: "Eventos hasta", zone: "Zona", counted: "eventos", duplicates: "duplicados", refused: "rechazados",
    definition: "Definición", about: "Qué significa {name}", close: "Cerrar", formula: "Fórmula", numerator: "Numerador", denominator: "Denominador",
    threshold: "Umbral T", of_tickets: "de los tickets", short: "Abandonos cortos hasta", crediting: "Se acredita a", excluded: "Excluido", version: "Versión", value: "Ahora",
    status: "Estado", status_open: "abierto: aún se llena", status_provisional: "provisional: aún puede cambiar", status_final: "definitivo",
    status_unavailable: "no disponible: aquí no se conoce",
    levels: "Niveles", bots: "Bots", bots_text: "nunca cuentan como respuesta", unit: "Unidad",
    credit_COHORT: "el intervalo en que la llamada entró en la cola", credit_EVENT: "el intervalo del propio evento",
    credit_CLOSE: "el intervalo en que terminó la conversación", credit_CLIP: "repartido entre los intervalos que abarca", credit_now: "este momento",
    waiting_formula: "llamadas en la cola en este momento", longest_formula: "ahora − la hora de entrada de la primera llamada que aún espera",
    channel_call: "voz", channel_email: "correo", channel_social: "redes", channel_whatsapp: "WhatsApp", channel_sms: "SMS",
    agents_formula: "agentes distintos en estado libre, en este momento",
    light: "Tema claro", dark: "Tema oscuro", full: "Modo TV (pantalla completa)", language: "English", language_short: "EN", page: "página {n} de {m}",
    announce_alarm: "{queue}: {metric}, {level}", total: "Todas las colas", trend: "{name}: las últimas horas y las mismas hace una semana",
  },
};

let language = "es";
const names = { en: new Map(), es: new Map() };

export function speak(chosen) {
  language = chosen in WORDS ? chosen : "es";
}

export function spoken() {
  return language;
}

export function has(key) {
  return key in WORDS[language];
}

/** Takes the names of KPIs from their definitions. */
export function learn(kpis) {
  for (const kpi of kpis) {
    names.en.set(kpi.id, kpi.name);
    names.es.set(kpi.id, kpi.name_es);
  }
}

/** The name of a KPI; of what is none, the word. */
export function named(id) {
  return names[language].get(id) ?? word(id);
}

/** The name of a channel; one that we have no word for is called as events call it. */
export function channelName(channel) {
  const key = `channel_${channel}`;
  return has(key) ? word(key) : channel;
}

export function word(key, values = {}) {
  const text = WORDS[language][key] ?? key;
  return text.replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
}
