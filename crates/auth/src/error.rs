//! Why a client is refused. Codes and words are Hasura's where it has them, since clients look at
//! them; nothing quotes what the client sent.

use artesian_engine::{ErrorCode, GraphQLError};

/// Why a client is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// Admin secrets are configured and the client sent none.
    #[error("x-hasura-admin-secret/x-hasura-access-key required, but not found")]
    SecretMissing,
    /// The admin secret is wrong.
    #[error("invalid \"x-hasura-admin-secret\"/\"x-hasura-access-key\"")]
    SecretWrong,
    /// A header that stands for the identity came more than once with different values, is not
    /// text, or is no string in the payload of `connection_init`.
    #[error("an identity header is repeated, is not plain text, or says two things")]
    BadHeader,
    /// Credentials are longer than any real ones.
    #[error("the credentials are too long: at most {0} bytes")]
    TooLong(usize),
    /// `X-Hasura-Role` without a role.
    #[error("x-hasura-role must not be empty")]
    EmptyRole,
    /// Tokens are asked for, there is none, and no role is meant for such clients.
    #[error("Missing 'Authorization' or 'Cookie' header in JWT authentication mode")]
    TokenMissing,
    /// `Authorization` is not `Bearer` and a token.
    #[error("Malformed Authorization header")]
    MalformedAuthorization,
    /// A cookie is there twice with different values.
    #[error("the Cookie header names one cookie twice")]
    AmbiguousCookie,
    /// The token cannot be trusted.
    #[error("Could not verify JWT: {0}")]
    Token(#[from] TokenError),
    /// The token's claims are not what the configuration says.
    #[error("{0}")]
    Claims(String),
    /// The token lacks one of the two claims about roles.
    #[error("JWT claim does not contain {0}")]
    RoleClaimMissing(&'static str),
    /// The role that was asked for is not among those of the token.
    #[error("Your requested role is not in allowed roles")]
    RoleNotAllowed,
    /// Keys to verify tokens with could not be fetched yet.
    #[error("tokens cannot be verified at the moment: their keys are not available")]
    KeysUnavailable,
    /// The webhook said 401.
    #[error("Authentication hook unauthorized this request")]
    HookRefused,
    /// The webhook could not be asked: unreachable, too slow.
    #[error("webhook authentication request failed")]
    HookFailed,
    /// The webhook's answer is not what it must be.
    #[error("Invalid response from authorization hook: {0}")]
    HookAnswer(&'static str),
    /// The credentials have expired.
    #[error("the credentials have expired")]
    Expired,
}

/// What is wrong with a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Not three parts of Base64 with JSON in the first two.
    #[error("it is malformed")]
    Malformed,
    /// An algorithm that the configured keys are not for, or `none`.
    #[error("its algorithm is not allowed")]
    Algorithm,
    /// A header parameter that must be understood and is not (RFC 7515, section 4.1.11).
    #[error("it has a critical header that is not understood")]
    Critical,
    /// No key of that `kid`.
    #[error("its key is unknown")]
    UnknownKey,
    /// The signature does not fit.
    #[error("JWSInvalidSignature")]
    Signature,
    /// `exp` is over.
    #[error("JWTExpired")]
    Expired,
    /// `nbf` is still to come.
    #[error("JWTNotYetValid")]
    NotYetValid,
    /// `iat` is still to come.
    #[error("JWTIssuedAtFuture")]
    IssuedInFuture,
    /// `aud` is not the configured audience, or is missing.
    #[error("JWTNotInAudience")]
    Audience,
    /// `iss` is not the configured issuer, or is missing.
    #[error("JWTNotInIssuer")]
    Issuer,
    /// A registered claim (RFC 7519, section 4.1) of the wrong type.
    #[error("a registered claim is malformed")]
    BadClaim,
}

impl AuthError {
    /// The code of `extensions`.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::SecretMissing | Self::SecretWrong | Self::RoleNotAllowed | Self::HookRefused => {
                ErrorCode::AccessDenied
            }
            Self::BadHeader
            | Self::TooLong(_)
            | Self::EmptyRole
            | Self::TokenMissing
            | Self::MalformedAuthorization
            | Self::AmbiguousCookie => ErrorCode::InvalidHeaders,
            Self::Token(_) | Self::Expired => ErrorCode::InvalidJwt,
            Self::Claims(_) => ErrorCode::JwtInvalidClaims,
            Self::RoleClaimMissing(_) => ErrorCode::JwtMissingRoleClaims,
            Self::KeysUnavailable | Self::HookFailed | Self::HookAnswer(_) => ErrorCode::Unexpected,
        }
    }

    /// Whether it is not the client's fault, so that the same credentials may be good later.
    pub fn is_ours(&self) -> bool {
        self.code() == ErrorCode::Unexpected
    }

    /// As a GraphQL error.
    pub fn to_error(&self) -> GraphQLError {
        GraphQLError::new(self.code(), self.to_string())
    }
}
