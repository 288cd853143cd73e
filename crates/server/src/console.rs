//! The console: static files that are embedded when they were built before this crate.

use http::{HeaderValue, Response, StatusCode, header};
use rust_embed::{EmbeddedFile, RustEmbed};

use crate::http::body::Body;

#[derive(RustEmbed)]
#[folder = "../../console/dist"]
#[allow_missing = true]
struct Files;

/// Everything comes from this server and nothing is inline. `'self'` of `connect-src` stands for this
/// server's WebSocket too (CSP level 3).
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'";

/// What is shown while the console has not been built.
const MISSING: &str = include_str!("console_missing.html");

/// The answer to a GET of a path of the console; `None` if there is nothing.
pub(crate) fn serve(path: &str, headers: &http::HeaderMap) -> Option<Response<Body>> {
    let name = match path {
        "/" => "index.html",
        "/licenses.txt" => "licenses.txt",
        // The page names its files relative to itself.
        _ => path.strip_prefix('/').filter(|name| name.starts_with("assets/"))?,
    };
    let encodings: &[&str] = if accepts_gzip(headers) { &[".gz", ""] } else { &[""] };
    for encoding in encodings {
        if let Some(file) = Files::get(&format!("{name}{encoding}")) {
            return Some(file_response(name, file, !encoding.is_empty(), headers));
        }
    }
    if name == "index.html" {
        let mut response = Response::new(Body::from(MISSING));
        dress(&mut response, "index.html", false);
        return Some(response);
    }
    None
}

fn file_response(
    name: &str,
    file: EmbeddedFile,
    is_gzip: bool,
    headers: &http::HeaderMap,
) -> Response<Body> {
    let hash = file.metadata.sha256_hash();
    let mut tag = String::with_capacity(34);
    tag.push('"');
    hash.iter().take(16).for_each(|byte| tag.push_str(&format!("{byte:02x}")));
    tag.push('"');
    let known = headers.get_all(header::IF_NONE_MATCH).iter();
    let is_known = known.filter_map(|v| v.to_str().ok()).any(|v| v.contains(&tag));
    let mut response = if is_known {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        response
    } else {
        Response::new(match file.data {
            std::borrow::Cow::Borrowed(bytes) => Body::from(bytes),
            std::borrow::Cow::Owned(bytes) => Body::from(bytes),
        })
    };
    dress(&mut response, name, is_gzip);
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}

fn dress(response: &mut Response<Body>, name: &str, is_gzip: bool) {
    let headers = response.headers_mut();
    let mut set = |name, value| headers.insert(name, HeaderValue::from_static(value));
    set(header::CONTENT_TYPE, media_type(name));
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(header::CONTENT_SECURITY_POLICY, POLICY);
    set(header::REFERRER_POLICY, "no-referrer");
    set(header::VARY, "accept-encoding");
    let cache = if is_hashed(name) { "public, max-age=31536000, immutable" } else { "no-cache" };
    set(header::CACHE_CONTROL, cache);
    if is_gzip {
        set(header::CONTENT_ENCODING, "gzip");
    }
}

/// Whether a name holds a hash of its content, as bundlers write it: `assets/index-B3xKq9Za.js`. Such
/// a file never changes.
fn is_hashed(name: &str) -> bool {
    let file = name.rsplit('/').next().unwrap_or_default();
    let mut parts = file.split(['.', '-']).rev();
    let extension = parts.next().is_some();
    extension
        && parts.take(2).any(|part| {
            part.len() >= 8
                && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
                && part.bytes().any(|b| b.is_ascii_digit() || b.is_ascii_uppercase())
        })
}

fn accepts_gzip(headers: &http::HeaderMap) -> bool {
    let values = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|v| v.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|part| {
        let (name, quality) = part.split_once(';').unwrap_or((part, ""));
        let refused = quality
            .trim()
            .strip_prefix("q=")
            .is_some_and(|q| q.trim().parse::<f32>().is_ok_and(|q| q <= 0.0));
        name.trim().eq_ignore_ascii_case("gzip") && !refused
    })
}

fn media_type(name: &str) -> &'static str {
    match name.rsplit('.').next().unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" | "map" => "application/json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "woff" => "font/woff",
        "ttf" => "font/ttf",
        "wasm" => "application/wasm",
        "txt" => "text/plain; charset=utf-8",
        "webmanifest" => "application/manifest+json",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_hashed_names_are_kept_for_ever() {
        for name in ["assets/index-B3xKq9Za.js", "main.4f2a91c07d.css", "assets/x-DEADBEEF.woff2"] {
            assert!(is_hashed(name), "{name}");
        }
        for name in ["index.html", "favicon.ico", "assets/worker.js", "assets/editor-language.js"] {
            assert!(!is_hashed(name), "{name}");
        }
    }

    #[test]
    fn gzip_is_used_only_where_it_is_welcome() {
        for (value, expected) in [
            ("gzip", true),
            ("br, GZIP;q=0.5", true),
            ("gzip;q=0", false),
            ("br", false),
            ("", false),
        ] {
            let mut headers = http::HeaderMap::new();
            headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static(value));
            assert_eq!(accepts_gzip(&headers), expected, "{value}");
        }
    }

    #[test]
    fn there_is_no_way_out_of_the_folder() {
        for path in
            ["/assets/../../Cargo.toml", "/assets//etc/passwd", "/assets/%2e%2e/x", "/other"]
        {
            assert!(serve(path, &http::HeaderMap::new()).is_none(), "{path}");
        }
    }
}
