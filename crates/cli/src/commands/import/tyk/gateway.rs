//! `tyk.conf`: the gateway's own settings.

use super::{
    super::{document::Cursor, report::Verdict, yaml::Yaml},
    context::Context,
    shared,
};

/// Reads the file.
pub fn read(context: &mut Context, root: &Cursor<'_>) {
    context.knows_gateway = true;
    let server = root.key("http_server_options");
    let sockets = server.key("enable_websockets");
    let on = sockets.flag();
    let (verdict, text) = match on {
        Some(true) => (Verdict::Mapped, ""),
        Some(false) => (Verdict::Mapped, "upgrades are answered with 400, where Tyk says 422"),
        None => (
            Verdict::Mapped,
            "Tyk accepts no WebSockets unless this is on; write `true`, which is the default here, to \
             accept them. Upgrades are answered with 400, where Tyk says 422",
        ),
    };
    let path = "server.http_server_options.enable_websockets";
    context.set(&sockets, path, Yaml::Flag(on == Some(true)), verdict, text);
    listen(context, root);
    for (key, setting) in
        [("read_timeout", "server.read_timeout"), ("write_timeout", "server.write_timeout")]
    {
        let at = server.key(key);
        if let Some(seconds) = at.positive() {
            let text =
                "for one connection that stands still; an answer has `server.request_timeout`";
            context.set(&at, setting, seconds_text(seconds), Verdict::Differs, text);
        }
    }
    shared::body(context, &server.key("max_request_body_size"));
    let grace = root.key("graceful_shutdown_timeout_duration");
    if let Some(seconds) = grace.positive() {
        context.set(&grace, "server.shutdown_grace", seconds_text(seconds), Verdict::Mapped, "");
    }
    let default = root.key("proxy_default_timeout");
    if let Some(seconds) = default.positive() {
        context.request_timeout = Some((seconds.min(86_400.0) * 1000.0).ceil() as u64);
        let text = "`graphql.timeouts.request` of every source";
        context.report.tell(Verdict::Mapped, &default, text);
    }
    let level = root.key("log_level");
    match level.text() {
        Some(known @ ("debug" | "info" | "warn" | "error")) => {
            context.set(&level, "log.level", Yaml::text(known), Verdict::Mapped, "");
        }
        Some(_) => context.report.tell(Verdict::Differs, &level, "`log.level` is `info`"),
        None => {}
    }
    let format = root.key("log_format");
    if let Some(name) = format.text() {
        let ours = if name == "json" { "json" } else { "text" };
        context.set(
            &format,
            "log.format",
            Yaml::text(ours),
            Verdict::Differs,
            "lines have other members",
        );
    }
    for (key, ours) in
        [("health_check_endpoint_name", "/healthz"), ("readiness_check_endpoint_name", "/readyz")]
    {
        let at = root.key(key);
        if at.text().is_some() {
            context.report.tell(Verdict::Differs, &at, format!("the path is `{ours}`"));
        }
    }
}

fn listen(context: &mut Context, root: &Cursor<'_>) {
    let (address, port) = (root.key("listen_address"), root.key("listen_port"));
    let host = address.text().unwrap_or("0.0.0.0");
    let Some(number) = port.positive().filter(|port| *port <= 65_535.0) else { return };
    let host = if host.contains(':') && !host.starts_with('[') {
        format!("[{host}]")
    } else {
        host.to_owned()
    };
    let value = Yaml::text(format!("{host}:{number}"));
    context.set(&port, "server.listen", value, Verdict::Mapped, "");
}

fn seconds_text(seconds: f64) -> Yaml {
    Yaml::text(format!("{}s", seconds.min(86_400.0).ceil() as u64))
}
