//! What is collected while definitions are read.

use std::collections::HashMap;

use super::{
    super::{
        document::Cursor,
        report::{Report, Verdict},
        yaml::Yaml,
    },
    access::Access,
    kind::Kind,
};

/// A source of the written file.
pub struct Source {
    /// Its name.
    pub name: String,
    /// All of it but the name.
    pub body: Yaml,
    /// Who may see it.
    pub access: Access,
}

/// A setting that was taken from somewhere.
struct Setting {
    path: String,
    value: Yaml,
}

/// What is collected.
pub struct Context {
    /// What became of every field.
    pub report: Report,
    /// The sources so far.
    pub sources: Vec<Source>,
    /// Files beside the written one.
    pub files: Vec<(String, String)>,
    /// Whether the YAML must stand alone.
    pub alone: bool,
    /// How long Tyk waits for services, in milliseconds, if `tyk.conf` says so.
    pub request_timeout: Option<u64>,
    /// Whether a `tyk.conf` was among the files.
    pub knows_gateway: bool,
    settings: Vec<Setting>,
    /// Upstream URLs by the names under which `tyk://` finds their APIs.
    targets: HashMap<String, String>,
}

impl Context {
    /// Nothing yet but who can be found by `tyk://`.
    pub fn new(all: &[(Kind, Cursor<'_>)], alone: bool) -> Self {
        let mut targets = HashMap::new();
        for (kind, root) in all {
            let (names, target) = match kind {
                Kind::Classic => (
                    [root.at("api_id"), root.at("slug"), root.at("name")],
                    root.at("proxy.target_url"),
                ),
                Kind::Oas => {
                    let root = root.key("x-tyk-api-gateway");
                    let names = [root.at("info.id"), root.at("info.slug"), root.at("info.name")];
                    (names, root.at("upstream.url"))
                }
                _ => continue,
            };
            let Some(target) = target.peek().and_then(|url| url.as_str()) else { continue };
            for name in names.iter().filter_map(|name| name.peek()?.as_str()) {
                targets.entry(name.to_lowercase()).or_insert_with(|| target.to_owned());
            }
        }
        Self {
            report: Report::default(),
            sources: Vec::new(),
            files: Vec::new(),
            alone,
            request_timeout: None,
            knows_gateway: false,
            settings: Vec::new(),
            targets,
        }
    }

    /// The upstream URL of the API that `tyk://NAME/…` leads to.
    pub fn target(&self, name: &str) -> Option<&str> {
        self.targets.get(&name.to_lowercase()).map(String::as_str)
    }

    /// Sets a setting of the whole server, and tells so. There is one server: what the first file says
    /// counts.
    pub fn set(&mut self, at: &Cursor<'_>, path: &str, value: Yaml, verdict: Verdict, text: &str) {
        let told = if text.is_empty() { format!("`{path}`") } else { format!("`{path}`: {text}") };
        match self.settings.iter().find(|setting| setting.path == path) {
            Some(known) if known.value != value => {
                let text = format!(
                    "`{path}` is one setting for the whole server, and another definition has set it \
                     to something else, which counts"
                );
                self.report.tell(Verdict::Differs, at, text);
            }
            Some(_) => self.report.tell(verdict, at, told),
            None => {
                self.settings.push(Setting { path: path.to_owned(), value });
                self.report.tell(verdict, at, told);
            }
        }
    }

    /// Whether a setting has been set, and to what.
    pub fn setting(&self, path: &str) -> Option<&Yaml> {
        self.settings.iter().find(|s| s.path == path).map(|setting| &setting.value)
    }

    /// Replaces a setting that was put together from several files.
    pub fn replace(&mut self, path: &str, value: Yaml) {
        self.settings.retain(|setting| setting.path != path);
        self.settings.push(Setting { path: path.to_owned(), value });
    }

    /// The settings in the order in which they were set.
    pub fn settings(&self) -> impl Iterator<Item = (&str, &Yaml)> {
        self.settings.iter().map(|setting| (setting.path.as_str(), &setting.value))
    }

    /// A name for a source that no other has: letters, digits and `-`.
    pub fn source_name(&self, wanted: &str) -> String {
        let mut base = String::new();
        for c in wanted.chars() {
            if c.is_ascii_alphanumeric() {
                base.push(c.to_ascii_lowercase());
            } else if !base.is_empty() && !base.ends_with('-') {
                base.push('-');
            }
        }
        let base = base.trim_end_matches('-');
        let base = if base.is_empty() { "tyk" } else { base };
        let mut name = base.to_owned();
        let mut number = 2;
        while self.sources.iter().any(|source| source.name == name) {
            name = format!("{base}-{number}");
            number += 1;
        }
        name
    }
}
