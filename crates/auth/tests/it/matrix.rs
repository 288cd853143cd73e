//! Which clients are let in, by settings.

use artesian_auth::{
    Auth, AuthConfig, AuthError, ConfigError, Mode,
    config::{HookMethod, WebhookConfig, jwt_secrets},
};
use serde_json::json;

use crate::support::*;

fn config(secrets: &[&str], mode: Mode, role: Option<&str>) -> AuthConfig {
    AuthConfig {
        admin_secrets: secrets.iter().map(|secret| (*secret).to_owned()).collect(),
        mode,
        unauthorized_role: role.map(str::to_owned),
        ..AuthConfig::default()
    }
}

fn jwt() -> Mode {
    Mode::Jwt(jwt_secrets(&json!({"type": "HS256", "key": LONG_SECRET})).unwrap())
}

#[tokio::test]
async fn the_administrator_may_be_anybody() {
    for secrets in [&[][..], &["root", "next"]] {
        let auth = Auth::start(config(secrets, Mode::Secrets, None)).unwrap();
        assert_eq!(auth.is_open(), secrets.is_empty());
        for name in ["x-hasura-admin-secret", "x-artesian-admin-secret", "x-hasura-access-key"] {
            for secret in ["root", "next"] {
                let sent = [(name, secret), ("x-hasura-role", "user"), ("x-hasura-user-id", "7")];
                let user = ask(&auth, &sent).await.unwrap().identity;
                assert_eq!(&*user.role, "user");
                let session: Vec<_> =
                    user.session.pairs().iter().map(|(n, v)| (&**n, &**v)).collect();
                assert_eq!(session, [("x-hasura-role", "user"), ("x-hasura-user-id", "7")]);
                assert!(ask(&auth, &[(name, secret)]).await.unwrap().identity.is_admin());
            }
        }
    }
}

#[tokio::test]
async fn strangers_are_refused_or_get_the_role_that_is_meant_for_them() {
    let forged = [("x-hasura-role", "admin"), ("x-hasura-user-id", "7")];
    for mode in [Mode::Secrets, jwt()] {
        let is_jwt = matches!(mode, Mode::Jwt(_));
        let closed = Auth::start(config(&["root"], mode.clone(), None)).unwrap();
        let expected = if is_jwt { AuthError::TokenMissing } else { AuthError::SecretMissing };
        assert_eq!(ask(&closed, &[]).await.unwrap_err(), expected);
        assert_eq!(ask(&closed, &forged).await.unwrap_err(), expected);
        let open = Auth::start(config(&["root"], mode, Some("anonymous"))).unwrap();
        for sent in [&[][..], &forged] {
            let found = ask(&open, sent).await.unwrap().identity;
            assert_eq!(&*found.role, "anonymous");
            assert_eq!(
                found.session.pairs().len(),
                1,
                "what strangers say of themselves is worth nothing"
            );
        }
        let wrong = ask(&open, &[("x-hasura-admin-secret", "x")]).await.unwrap_err();
        assert_eq!(wrong, AuthError::SecretWrong);
        if is_jwt {
            // A bad token is no missing token.
            let bad = ask(&open, &[("authorization", "Bearer x")]).await.unwrap_err();
            assert!(matches!(bad, AuthError::Token(_)));
        }
    }
    // Tokens without an admin secret: nobody is the administrator.
    let only_tokens = Auth::start(config(&[], jwt(), None)).unwrap();
    assert!(!only_tokens.is_open());
    assert_eq!(ask(&only_tokens, &[]).await.unwrap_err(), AuthError::TokenMissing);
    let secret = ask(&only_tokens, &[("x-hasura-admin-secret", "")]).await.unwrap_err();
    assert_eq!(secret, AuthError::SecretWrong);
}

#[tokio::test]
async fn settings_that_contradict_each_other_are_refused() {
    let hook = || Mode::Webhook(WebhookConfig::new("http://h/", HookMethod::Get).unwrap());
    let rows = [
        (config(&[""], Mode::Secrets, None), ConfigError::EmptyAdminSecret),
        (config(&["a"], hook(), Some("r")), ConfigError::RoleBesideWebhook),
        (config(&[], Mode::Secrets, Some("r")), ConfigError::RoleWithoutSecret),
        (config(&["a"], Mode::Secrets, Some(" ")), ConfigError::EmptyRole),
    ];
    for (config, expected) in rows {
        assert_eq!(Auth::start(config).err(), Some(expected));
    }
    for bad in ["", "h", "/x", "ftp://h/", "http://", "http:// h/"] {
        assert!(WebhookConfig::new(bad, HookMethod::Get).is_err(), "{bad}");
    }
}
