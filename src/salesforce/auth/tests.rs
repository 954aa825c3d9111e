use super::*;
use crate::http::script::{json, serve};

#[test]
fn the_token_goes_to_salesforce_only() {
    let table = [
        ("https://acme.my.salesforce.com", "https://acme.my.salesforce.com", true),
        ("https://acme.my.salesforce.com", "https://eu1.salesforce.com", true),
        ("https://acme.my.salesforce.com", "https://acme.force.com/x", true),
        ("https://acme.my.salesforce.com", "http://acme.my.salesforce.com", false),
        ("https://acme.my.salesforce.com", "https://evilsalesforce.com", false),
        ("https://acme.my.salesforce.com", "https://salesforce.com.evil.example", false),
        ("https://acme.my.salesforce.com", "https://a@evil.example", false),
        ("https://acme.my.salesforce.com", "http://127.0.0.1:1", false),
        ("http://127.0.0.1:9", "http://127.0.0.1:1", true),
        ("http://localhost:9", "http://[::1]:1", true),
        ("http://127.0.0.1:9", "http://10.0.0.1", false),
        ("https://sf.gov.example", "https://eu.sf.gov.example", true),
    ];
    for (login, instance, trusted) in table {
        let (login, url) = (Url::parse(login).unwrap(), Url::parse(instance).unwrap());
        assert_eq!(is_trusted(&login, &url), trusted, "{instance}");
    }
}

#[test]
fn a_session_knows_org_and_user() {
    let login = Url::parse("https://acme.my.salesforce.com").unwrap();
    let extra = |id: &str| Extra {
        instance_url: Some("https://acme.my.salesforce.com/path?x".into()),
        id: Some(id.to_owned()),
    };
    let read = session(
        &login,
        "t".into(),
        &extra("https://login.salesforce.com/id/00Dx0000000BV7zEAG/005x00000012Q9PAAU"),
    );
    let read = read.unwrap();
    assert_eq!(read.instance_url.as_str(), "https://acme.my.salesforce.com/");
    assert!(read.org_id.as_str().starts_with("00Dx0000000BV7z"));
    assert!(read.user_id.as_str().starts_with("005x00000012Q9P"));
    for id in ["", "https://x/id/00Dx0000000BV7z", "https://x/id/005x00000012Q9P/00Dx0000000BV7z"] {
        assert!(matches!(session(&login, "t".into(), &extra(id)), Err(Failure::NoAnswer(_))), "{id}");
    }
}

#[test]
fn refusals_say_what_to_do() {
    let table = [
        ("invalid_client", "invalid client credentials", "client_secret"),
        ("invalid_client_id", "client identifier invalid", "client_id"),
        ("invalid_grant", "request not supported on this domain", "My Domain"),
        ("invalid_grant", "no client credentials user enabled", "Run-As"),
        ("invalid_grant", "user hasn't approved this consumer", "pre-authorise"),
        ("invalid_grant", "expired authorization code", "clock"),
        ("invalid_grant", "Audience validation failed", "audience"),
        ("invalid_app_access", "", "permission set"),
        ("", "", "LOGIN_REFUSED"),
    ];
    for (code, description, advice) in table {
        let failure = refused(code, description);
        assert!(matches!(failure, Failure::Login { .. }));
        assert!(failure.to_string().contains(advice), "{failure}");
    }
    assert!(matches!(refused("rate_limit_exceeded", ""), Failure::Busy { .. }));
}

#[test]
fn a_bad_key_is_a_matter_for_the_admin() {
    let claims = Claims { iss: "i", sub: "s", aud: "a", exp: 1 };
    let failure = assertion(&claims, &"not a key".into()).unwrap_err();
    assert!(failure.to_string().contains("private_key_file"), "{failure}");
}

const NOW: &str = "2026-07-07T00:37:00Z";
const GRANTED: &str = r#"{"access_token":"00D!t","instance_url":"URL","token_type":"Bearer","scope":"api",
    "issued_at":"1278448832702","signature":"s",
    "id":"https://login.salesforce.com/id/00Dx0000000BV7zEAG/005x00000012Q9PAAU"}"#;

async fn logged_in(credentials: &Credentials, answer: String) -> (Result<Session, Failure>, String) {
    let script = serve(vec![answer]).await;
    let http = crate::http::client(std::time::Duration::from_secs(5));
    let limit = Duration::from_secs(5);
    let session = login(&http, limit, &script.url, credentials, NOW.parse().unwrap()).await;
    (session, script.asked().remove(0))
}

fn secret() -> Credentials {
    Credentials::ClientCredentials { client_id: "key".into(), client_secret: "s&cret".into() }
}

fn signed() -> Credentials {
    Credentials::JwtBearer {
        client_id: "key".into(),
        username: "bridge@acme.example".into(),
        private_key_pem: TEST_KEY.into(),
        audience: "https://login.salesforce.com".into(),
    }
}

#[tokio::test]
async fn client_credentials_are_posted_in_the_body() {
    let (session, asked) = logged_in(&secret(), json(200, GRANTED)).await;
    assert_eq!(session.unwrap().access_token.expose_secret(), "00D!t");
    assert!(asked.starts_with("POST /services/oauth2/token HTTP/1.1\r\n"), "{asked}");
    for part in ["grant_type=client_credentials", "client_id=key", "client_secret=s%26cret"] {
        assert!(asked.contains(part), "{asked}");
    }
}

#[tokio::test]
async fn a_token_without_a_type_is_taken() {
    let untyped = GRANTED.replace(r#""token_type":"Bearer","#, "");
    assert!(untyped.len() < GRANTED.len());
    for credentials in [secret(), signed()] {
        let (session, _) = logged_in(&credentials, json(200, &untyped)).await;
        assert_eq!(session.unwrap().access_token.expose_secret(), "00D!t");
    }
}

/// Only the token, its address and its owner are read, in both flows.
#[tokio::test]
async fn a_token_is_taken_whatever_else_the_answer_says() {
    let odd = [
        r#""expires_in":"7200""#,
        r#""expires_in":-1"#,
        r#""expires_in":7200.0"#,
        r#""expires_in":null"#,
        r#""token_type":null"#,
        r#""scope":["api"]"#,
        r#""refresh_token":7"#,
    ];
    for more in odd {
        let plain = GRANTED.replace(r#""token_type":"Bearer","scope":"api""#, more);
        assert!(plain.contains(more) && !plain.contains("Bearer"), "{plain}");
        for credentials in [secret(), signed()] {
            let (session, _) = logged_in(&credentials, json(200, &plain)).await;
            assert_eq!(session.unwrap().access_token.expose_secret(), "00D!t", "{more}");
        }
    }
}

#[tokio::test]
async fn an_assertion_is_signed_for_three_minutes() {
    #[derive(Deserialize)]
    struct Read {
        iss: String,
        sub: String,
        aud: String,
        exp: i64,
    }
    let (session, asked) = logged_in(&signed(), json(200, GRANTED)).await;
    session.unwrap();
    let form: std::collections::HashMap<String, String> =
        url::form_urlencoded::parse(asked.split_once("\r\n\r\n").unwrap().1.as_bytes())
            .into_owned()
            .collect();
    assert_eq!(form["grant_type"], "urn:ietf:params:oauth:grant-type:jwt-bearer");
    let key = jsonwebtoken::DecodingKey::from_rsa_pem(TEST_PUBLIC.as_bytes()).unwrap();
    let mut rules = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::RS256);
    rules.validate_exp = false;
    rules.validate_aud = false;
    let claims = jsonwebtoken::decode::<Read>(&form["assertion"], &key, &rules).unwrap().claims;
    assert_eq!((claims.iss.as_str(), claims.sub.as_str()), ("key", "bridge@acme.example"));
    assert_eq!(claims.aud, "https://login.salesforce.com");
    assert_eq!(claims.exp, NOW.parse::<Timestamp>().unwrap().as_second() + ASSERTION_SECONDS);
}

#[tokio::test]
async fn logins_fail_alike_in_both_flows() {
    let refused = r#"{"error":"invalid_grant","error_description":"request not supported on this domain"}"#;
    let foreign = GRANTED.replace("URL", "https://evil.example");
    let table = [
        (json(400, refused), "use the org's My Domain address as salesforce.login_url (invalid_grant)"),
        (json(401, r#"{"error":"invalid_client"}"#), "check salesforce.auth.client_secret"),
        (json(400, r#"{"error":"rate_limit_exceeded"}"#), "busy: Salesforce limits the rate of logins"),
        (json(503, "<html>"), "busy: Salesforce's login answered 503"),
        (json(500, "{}"), "no answer: the login answered 500"),
        (json(200, "<html>"), "no answer: the login's answer cannot be read"),
        (json(200, r#"{"access_token":"t"}"#), "no answer: the login's answer cannot be read"),
        (json(302, ""), "salesforce.login_url answers with a redirect"),
        (json(200, &foreign), "Salesforce's login names an instance_url that is not Salesforce's"),
    ];
    for (answer, expected) in table {
        for credentials in [secret(), signed()] {
            let said = logged_in(&credentials, answer.clone()).await.0.unwrap_err().to_string();
            assert!(said.starts_with(expected), "{said} for {answer}");
        }
    }
}

/// Made for this test only.
const TEST_KEY: &str = "-----BEGIN PRIVATE KEY-----
MIIEvgIBADANBgkqhkiG9w0BAQEFAASCBKgwggSkAgEAAoIBAQCzCm5x16suAk9g
kqsTGnjByE/nbIrHLFdh3apLxrYUIKlBy68fJreime8kQ1KKtvZXODGZgWZqxnBY
1tF7pjkTmIzoyoAF+nt8YdeTwDNdxAz4taPqKD18XYpqZBUfCnn4yUoYU9yVwtjy
ciusbjULuNytP28Jbb1gNhUfeHl4V/g/eFMsIOnx1k3D9WQqh7ioKAyRzvsRxCgQ
YBVg6du999La0CAtqiLyEx85lCnmNqsOL/vpqfNzvQSDuJ+8z41sO2pARnKqecVc
vCdwqzaPSEUIb6AdMcMUjKUiDqdVEZk2LNGKQ8fPcDPnjPtDDZxESbFmqTvoZYXY
gX61Q2MXAgMBAAECggEABczBtShiYDQs9BjsN8s0vDpL9Fg8yqTyE7aFjLzcKxy/
vuTlQGIVssu/xnHz25B/vGWSncFmWvEgtJAI6zOAR9U6Q1RD/22U0Huu6xdf0prG
PMxNiglRrJSvJjElygKh3uBOaSlWTPep5XizV3uedkm/xFD4vNp0NwipeIKDlNVe
unSXTGN2rsnT6bDAeEDQlkZNzzo0WCsi4Sbu/qFCmWudylPCU8C46uET0TcLRFXO
bghpu6ethz7vKPPaxGe6BkHOPjzOQIggE2evAj4uUn+7mkynHPfz/3jWBc2FRYew
r0e831YHwi5aqMJhAMR88cr7zhJLG0D/v6RU2Poj+QKBgQDxDO7/X0XNYeo1gUFA
fXmVPBV8vceyH6nmipI3Tku001Ylld/0tGX7/1tjXCrsTHWan/1qZP/2CERzCo+a
UzCnJSH/tgbKz0VqPsc8zAXBmytu6OQm9G9b6pn23OZ0L0vRE4oZMkGsxHV9SmnG
TG6j0MxYl4t3lCLipiNU1fP0ywKBgQC+JP4VGVW8qt8bkw2X6x8o9U9yV3aivGJ6
4swKgBPQfwtnVltKSA/bwG9Mpq7CcEOvYTGC61okIvG00W0QeZlNBG/QjIirrJ0R
+qeSgUrUfqg4J3j5YsCZJ61JBefMhj6UxSHMHFSxv1wLQArBybRZPwtSpxIMfjX5
0cU0NJCNZQKBgQCY7la3KE/V1PhNx9qJOtInbz5GrPUEOniFbocDlaYMbERshiDX
VJibf1AQwsnsrzmxxy11Ee0ev/IFdr7S71KfyLxAStEWXNgyZu/qz5obUgIFVLZj
TJNWIopaB54iOluEozvrbmoiXWYY/lwLVjSfs/nhfwwZ6p8TYsppqXAkbwKBgHiQ
ljckqFOH+Q3P8XeZk1lyKlzzDntjfgIzWnNyAJ5cYAu3Gw1/oeaSH0B4FCmf65sB
wtYjizWMnrwrar9eixDltkyDP4mzWqjyyVxA9QTGBr4McU2YC01RdjPuNatel8HX
OXXlpOJL1v4fLnLwBZXtPq2619vqDymHlEZk6h9tAoGBAKe0IPbHi7Y82aPX6F+K
rqvk5fMMyyP0u3qfUQV5Yrh3D539U+x12axgj9O9gHeeEnnFKsQqaTyE+HtQz9iO
p+HEjokL9I7wsXzS1xZ3QMKiJgxEoMl8zYCGDgiNIjOi37M1CMvgYbNU9eiGV1fq
f5nlt/p1Hu9UAjD1c2ShtSSp
-----END PRIVATE KEY-----";
const TEST_PUBLIC: &str = "-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAswpucderLgJPYJKrExp4
wchP52yKxyxXYd2qS8a2FCCpQcuvHya3opnvJENSirb2VzgxmYFmasZwWNbRe6Y5
E5iM6MqABfp7fGHXk8AzXcQM+LWj6ig9fF2KamQVHwp5+MlKGFPclcLY8nIrrG41
C7jcrT9vCW29YDYVH3h5eFf4P3hTLCDp8dZNw/VkKoe4qCgMkc77EcQoEGAVYOnb
vffS2tAgLaoi8hMfOZQp5jarDi/76anzc70Eg7ifvM+NbDtqQEZyqnnFXLwncKs2
j0hFCG+gHTHDFIylIg6nVRGZNizRikPHz3Az54z7Qw2cREmxZqk76GWF2IF+tUNj
FwIDAQAB
-----END PUBLIC KEY-----";
