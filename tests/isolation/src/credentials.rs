//! What clients say of themselves: tokens and secrets, good and bad.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use artesian_oracle::random::Random;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::{hmac, rand::SystemRandom, rsa, signature};
use serde_json::{Value, json};

use crate::{
    judge::{Judge, Mode},
    who::{Role, TENANTS, USERS, Who},
};

/// Headers by name in lower case.
pub type Headers = BTreeMap<String, String>;

/// The header of admin secrets.
pub const SECRET: &str = "x-hasura-admin-secret";
/// The header of the role that is asked for.
pub const ROLE: &str = "x-hasura-role";
/// The header, and the session variable, of the user.
pub const USER: &str = "x-hasura-user-id";
/// The header, and the session variable, of the tenant.
pub const TENANT: &str = "x-hasura-tenant-id";

const RSA: &str = include_str!("../../../crates/auth/tests/it/keys/rsa.pem");
/// The public half, for the server.
pub const RSA_PUBLIC: &str = include_str!("../../../crates/auth/tests/it/keys/rsa.pub.pem");

/// What a token is signed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Key {
    /// HS256 with the secret of that number.
    Hs(u32),
    /// RS256.
    Rs,
}

/// A number of a secret that no server knows.
const UNKNOWN: u32 = u32::MAX;

impl Key {
    /// The secret of that number.
    pub fn secret(number: u32) -> String {
        format!("a secret of at least thirty-two bytes, number {number}")
    }

    fn sign(self, message: &[u8]) -> Vec<u8> {
        match self {
            Self::Hs(number) => {
                let key = hmac::Key::new(hmac::HMAC_SHA256, Self::secret(number).as_bytes());
                hmac::sign(&key, message).as_ref().to_vec()
            }
            Self::Rs => {
                let body: String = RSA.lines().filter(|line| !line.starts_with('-')).collect();
                let der = base64::engine::general_purpose::STANDARD.decode(body).unwrap();
                let pair = rsa::KeyPair::from_pkcs8(&der).unwrap();
                let mut out = vec![0; pair.public().modulus_len()];
                let padding = &signature::RSA_PKCS1_SHA256;
                pair.sign(padding, &SystemRandom::new(), message, &mut out).unwrap();
                out
            }
        }
    }

    fn algorithm(self) -> &'static str {
        match self {
            Self::Hs(_) => "HS256",
            Self::Rs => "RS256",
        }
    }
}

/// A token that was made.
#[derive(Clone, Debug)]
pub struct Token {
    /// Its text.
    pub text: String,
    /// Whom it stands for, in its default role.
    pub who: Who,
    /// The roles that it is good for.
    pub allowed: Vec<Role>,
    /// Until when it is good.
    pub expires: SystemTime,
    /// What it is signed with.
    pub key: Key,
    /// Why nobody may be let in by it.
    pub fault: Option<Fault>,
}

impl Token {
    /// Whether a webhook lets anybody in by it: each knows two thirds of all tokens, so that it shows
    /// which one was asked.
    pub fn is_known_to(&self, webhook: u32) -> bool {
        let number = self.text.bytes().fold(0, |sum: u32, byte| sum.wrapping_add(byte.into()));
        number % 3 != webhook % 3
    }

    /// As a client sends it.
    pub fn headers(&self) -> Headers {
        [("authorization".to_owned(), format!("Bearer {}", self.text))].into()
    }
}

/// What is wrong with a token that expiry, key and roles do not tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The claims of another token than the one that was signed.
    Tampered,
    /// `alg` is `none`.
    Unsigned,
    /// The webhook answers with this status.
    Status(u16),
    /// The webhook answers with something that names no role.
    Nonsense,
}

/// How long a token is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    /// Longer than the test.
    Long,
    /// A few seconds.
    Short,
    /// It is over already.
    Over,
}

fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn claims(token: &Token) -> Value {
    let roles: Vec<_> = token.allowed.iter().map(|role| role.name()).collect();
    let expires = token.expires.duration_since(UNIX_EPOCH).unwrap().as_secs();
    json!({
        "exp": expires,
        "https://hasura.io/jwt/claims": {
            "x-hasura-allowed-roles": roles,
            "x-hasura-default-role": token.who.role.name(),
            USER: token.who.user.map(Who::user_name),
            TENANT: token.who.tenant.map(Who::tenant_name),
        },
    })
}

fn sign(token: &Token) -> String {
    let algorithm = match token.fault {
        Some(Fault::Unsigned) => "none",
        _ => token.key.algorithm(),
    };
    let header = b64(json!({"alg": algorithm, "typ": "JWT"}).to_string());
    let message = format!("{header}.{}", b64(claims(token).to_string()));
    let signature = match token.fault {
        Some(Fault::Unsigned) => Vec::new(),
        _ => token.key.sign(message.as_bytes()),
    };
    let Some(Fault::Tampered) = token.fault else {
        return format!("{message}.{}", b64(signature));
    };
    let user = token.who.user.map(|user| (user + 1) % USERS);
    let other = Token { who: Who { user, ..token.who }, ..token.clone() };
    format!("{header}.{}.{}", b64(claims(&other).to_string()), b64(signature))
}

fn somebody(random: &mut Random) -> (u8, u8) {
    let user = u8::try_from(random.below(USERS.into())).unwrap();
    (user, u8::try_from(random.below(TENANTS.into())).unwrap())
}

impl Judge {
    /// Makes a token, which is known from now on.
    pub fn mint(
        &self,
        random: &mut Random,
        life: Life,
        key: Key,
        fault: Option<Fault>,
    ) -> Arc<Token> {
        const ROLES: [Role; 3] = [Role::User, Role::Reader, Role::Editor];
        let role = *random.pick(&[Role::User, Role::User, Role::Reader, Role::Editor]);
        let allowed = ROLES.into_iter().filter(|r| *r == role || random.one_in(2)).collect();
        let (user, tenant) = somebody(random);
        // Both `exp` and the webhook's `Expires` are in whole seconds.
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let expires = match life {
            Life::Long => now + 3600,
            Life::Short => now + 2 + random.bits() % 2,
            Life::Over => now - 10,
        };
        let mut token = Token {
            text: String::new(),
            who: Who { role, user: Some(user), tenant: Some(tenant) },
            allowed,
            expires: UNIX_EPOCH + Duration::from_secs(expires),
            key,
            fault,
        };
        token.text = match self.mode() {
            Mode::Jwt => sign(&token),
            Mode::Webhook => format!("token-{}", random.bits()),
        };
        let token = Arc::new(token);
        self.learn(token.clone());
        token
    }

    /// A key that is in force, mostly.
    fn key(&self, random: &mut Random) -> Key {
        if random.one_in(4) { Key::Rs } else { Key::Hs(self.present().hs) }
    }

    /// A new token that is good by the settings of now.
    fn new_token(&self, random: &mut Random, life: Life) -> Arc<Token> {
        loop {
            let key = self.key(random);
            let token = self.mint(random, life, key, None);
            if self.verdict(&token.headers(), &self.present()).is_some() {
                return token;
            }
        }
    }

    fn good_token(&self, random: &mut Random) -> Arc<Token> {
        if random.one_in(3) {
            return self.new_token(random, Life::Short);
        }
        // The same tokens in many hands.
        let later = SystemTime::now() + Duration::from_secs(600);
        let present = self.present();
        let pool = self.tokens(|token| token.expires > later && token.fault.is_none());
        let is_good = |token: &Arc<Token>| self.verdict(&token.headers(), &present).is_some();
        let pool: Vec<_> = pool.into_iter().filter(is_good).collect();
        if pool.len() > 12 {
            return random.pick(&pool).clone();
        }
        self.new_token(random, Life::Long)
    }

    fn bad_token(&self, random: &mut Random) -> Arc<Token> {
        let key = self.key(random);
        let is_webhook = self.mode() == Mode::Webhook;
        match random.below(5) {
            0 => self.mint(random, Life::Over, key, None),
            1 if !is_webhook && self.present().hs > 0 => {
                let retired = Key::Hs(self.present().hs - 1);
                self.mint(random, Life::Long, retired, None)
            }
            1 if !is_webhook => self.mint(random, Life::Long, Key::Hs(UNKNOWN), None),
            2 if !is_webhook => self.mint(random, Life::Long, key, Some(Fault::Tampered)),
            3 if !is_webhook => self.mint(random, Life::Long, key, Some(Fault::Unsigned)),
            1 => self.mint(random, Life::Long, key, Some(Fault::Status(401))),
            2 => self.mint(random, Life::Long, key, Some(Fault::Status(500))),
            3 => self.mint(random, Life::Long, key, Some(Fault::Nonsense)),
            _ => {
                // Known to nobody.
                let mut token = (*self.mint(random, Life::Long, key, None)).clone();
                token.text.push('x');
                Arc::new(token)
            }
        }
    }

    /// Credentials that are good, as far as can be said now.
    pub fn good(&self, random: &mut Random) -> Headers {
        let mut headers = Headers::new();
        match random.below(12) {
            // What a stranger says of itself has no meaning.
            0 => {
                if random.one_in(2) {
                    let role = random.pick(&Role::ALL).name();
                    headers.insert(ROLE.to_owned(), role.to_owned());
                    self.forge(random, &mut headers);
                }
            }
            1 => {
                self.put_secret(random, &mut headers);
            }
            2 => {
                self.put_secret(random, &mut headers);
                let (user, tenant) = somebody(random);
                let role = *random.pick(&Role::ALL);
                headers.insert(ROLE.to_owned(), role.name().to_owned());
                headers.insert(USER.to_owned(), Who::user_name(user));
                headers.insert(TENANT.to_owned(), Who::tenant_name(tenant));
            }
            _ => {
                let token = self.good_token(random);
                headers.extend(token.headers());
                if random.one_in(2) {
                    let role = random.pick(&token.allowed).name();
                    headers.insert(ROLE.to_owned(), role.to_owned());
                }
                self.forge(random, &mut headers);
            }
        }
        headers
    }

    /// A good token that soon expires.
    pub fn fleeting(&self, random: &mut Random) -> Headers {
        self.new_token(random, Life::Short).headers()
    }

    /// Credentials that must not let anybody in.
    pub fn bad(&self, random: &mut Random) -> Headers {
        let mut headers = Headers::new();
        match random.below(5) {
            0 => {
                headers.insert(SECRET.to_owned(), "secret-none".to_owned());
            }
            1 => {
                let token = self.good_token(random);
                headers.extend(token.headers());
                headers.insert(ROLE.to_owned(), "admin".to_owned());
            }
            _ => {
                let token = self.bad_token(random);
                headers.extend(token.headers());
                self.forge(random, &mut headers);
            }
        }
        headers
    }

    /// Mostly good ones.
    pub fn any(&self, random: &mut Random) -> Headers {
        if random.one_in(10) { self.bad(random) } else { self.good(random) }
    }

    fn put_secret(&self, random: &mut Random, headers: &mut Headers) {
        let secrets = self.present().secrets;
        headers.insert(SECRET.to_owned(), format!("secret-{}", random.pick(&secrets)));
    }

    /// What beside a token has no meaning.
    fn forge(&self, random: &mut Random, headers: &mut Headers) {
        if random.one_in(3) {
            let (user, tenant) = somebody(random);
            headers.insert(USER.to_owned(), Who::user_name(user));
            headers.insert(TENANT.to_owned(), Who::tenant_name(tenant));
        }
    }
}
