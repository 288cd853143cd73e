use super::*;

#[test]
fn closes() {
    for (code, passing) in [
        (None, true),
        (Some(1000), true),
        (Some(1001), true),
        (Some(1011), false),
        (Some(1012), true),
        (Some(3000), true),
        (Some(4000), true),
        (Some(4408), true),
        (Some(4400), false),
        (Some(4401), false),
        (Some(4403), false),
        (Some(4500), false),
    ] {
        let error = RemoteError::of_close(code, "why");
        assert_eq!(error.is_passing(), passing, "{code:?}");
        assert!(error.to_string().ends_with("why") || error.to_string().ends_with("why)"));
    }
}

#[test]
fn texts_of_services_are_cut_and_cleaned() {
    let error = RemoteError::of_close(Some(4403), "no\r\nway");
    assert_eq!(error.to_string(), "the service refuses the connection (4403: no  way)");
    assert!(clean(&"é".repeat(1000)).len() <= MAX_TEXT + "…".len());
    let text = |payload: &'static str| message_of(Some(&Bytes::from_static(payload.as_bytes())));
    assert_eq!(&*text(r#"{"message":"Forbidden","x":1}"#), "Forbidden");
    assert_eq!(&*text(r#""no""#), "no");
    assert_eq!(&*text("[1]"), "");
}
