//! Settings of authentication that change while `serve` runs.

use serde_json::json;

use super::{
    checking_auth::{jwk, signed},
    service::{Reply, Service},
    support::{Running, Scratch, port, post},
};

const QUERY: &str = "{ author { id } }";

struct Shop {
    scratch: Scratch,
    server: Running,
    port: u16,
}

impl Shop {
    fn serve(config: &str) -> Self {
        let scratch = Scratch::with_shop();
        scratch.write("artesian.yaml", config);
        let mut server = Running::start(&mut scratch.artesian(&["serve"]));
        let port = port(&server.log("listening on http://"));
        Self { scratch, server, port }
    }

    /// Puts another configuration in place and waits for this in the log.
    fn change(&mut self, config: &str, log: &str) -> String {
        self.scratch.write("artesian.yaml", config);
        self.server.log(log)
    }

    fn by_token(&self, token: &str) -> String {
        post(self.port, &format!("authorization: Bearer {token}\r\n"), QUERY)
    }

    fn by_secret(&self, secret: &str) -> String {
        post(self.port, &format!("x-hasura-admin-secret: {secret}\r\n"), QUERY)
    }
}

fn config(admin: &str, auth: &str) -> String {
    format!(
        "sources:\n  - database: {{url: 'sqlite:shop.db'}}\nserver:\n  listen: 127.0.0.1:0\n  \
         shutdown_window: 0\n  reload_interval: 20ms\n{admin}{auth}"
    )
}

const SECRET: &str = "  admin_secret: first-secret\n";

#[tokio::test(flavor = "multi_thread")]
async fn keys_stay_while_other_settings_change() {
    let service = Service::start(Reply::json(&json!({"keys": [jwk("r")]}))).await;
    let jwt = format!("auth:\n  jwt:\n    jwk_url: {}\n", service.url());
    let mut shop = Shop::serve(&config(SECRET, &jwt));
    let token = signed("r", json!({"aud": "shop", "exp": 32_503_680_000_u64}));
    assert!(shop.by_token(&token).contains("validation-failed"));
    // The issuer is away from now on.
    service.say(Reply::Say(500, vec![], String::new()));
    let line = shop.change(&config("  admin_secret: second-secret\n", &jwt), "are in force");
    assert!(line.contains("changed=\"admin-secret\""), "{line}");
    assert!(shop.by_secret("first-secret").contains("access-denied"));
    assert!(shop.by_secret("second-secret").contains("{\"id\":1}"));
    assert!(shop.by_token(&token).contains("validation-failed"), "its keys are still known");
    // Without any admin secret nobody is the administrator.
    let line = shop.change(&config("", &jwt), "authentication: ");
    assert!(line.contains("authentication: tokens (keys of "), "{line}");
    shop.server.log("are in force");
    assert!(shop.by_secret("second-secret").contains("access-denied"));
    assert!(post(shop.port, "", QUERY).contains("in JWT authentication mode"));
    assert!(shop.by_token(&token).contains("validation-failed"));
    // Another audience, with the keys of before.
    let line = shop.change(&config("", &format!("{jwt}    audience: bank\n")), "are in force");
    assert!(line.contains("changed=\"jwt-secret\""), "{line}");
    assert!(shop.by_token(&token).contains("JWTNotInAudience"));
    shop.change(&config("", &format!("{jwt}    audience: [bank, shop]\n")), "are in force");
    assert!(shop.by_token(&token).contains("validation-failed"));
    assert_eq!(service.count(), 1, "the keys were fetched once");
}

#[tokio::test(flavor = "multi_thread")]
async fn from_tokens_to_a_webhook_and_never_to_an_open_door() {
    let answer = json!({"x-hasura-role": "admin"});
    let service = Service::start(Reply::json(&answer)).await;
    let key = "hush-hush-hush-hush-hush-hush-hush-hush";
    let jwt = format!("auth:\n  jwt: {{type: HS256, key: {key}}}\n");
    let hook = format!("auth:\n  webhook: {{url: '{}?code=hush-hush'}}\n", service.url());
    let mut shop = Shop::serve(&config("", &jwt));
    let refusals = [
        (config("", ""), "there is no authentication any more: everybody would be"),
        (config("  admin_secret:\n", ""), "`server.admin_secret` is empty"),
        (config("", "auth:\n  jwt:\n"), "`auth.jwt` is empty"),
        (config("", &jwt.replace("HS256", "RS256")), "must be the public key"),
        (config("", &jwt.replace("type:", "tpye:")), "unknown member `tpye`"),
        (config("", &jwt.replace("HS256", "HS512")), "at least 64 bytes"),
        (config("", &format!("{jwt}  webhook: {{url: 'http://h/'}}\n")), "exclude each other"),
        (config("", &format!("{jwt}  unauthorized_role: admin\n")), "must not be admin"),
        (config("", &hook.replace("http:", "ftp:")), "must begin with http:// or https://"),
    ];
    for (config, expected) in refusals {
        let line = shop.change(&config, "are refused");
        assert!(line.contains(expected) && !line.contains("hush"), "{expected}: {line}");
        assert!(post(shop.port, "", QUERY).contains("in JWT authentication mode"));
    }
    let line = shop.change(&config("", &hook), "authentication: ");
    assert!(line.contains("authentication: webhook (GET http://127.0.0.1:"), "{line}");
    shop.server.log("are in force");
    assert!(post(shop.port, "", QUERY).contains("{\"id\":1}"));
    shop.change(&config("", ""), "are refused");
    service.say(Reply::Say(401, vec![], String::new()));
    assert!(post(shop.port, "", QUERY).contains("unauthorized this request"));
    // With an admin secret the webhook may go.
    shop.change(&config(SECRET, ""), "are in force");
    assert!(post(shop.port, "", QUERY).contains("required, but not found"));
    shop.server.signal("TERM");
    let (_, logs) = shop.server.end();
    assert!(!logs.contains("hush") && !logs.contains("first-secret"), "{logs}");
}
