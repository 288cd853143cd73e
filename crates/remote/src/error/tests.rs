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

/// One of each, with a word of the operating system.
fn all() -> Vec<RemoteError> {
    let reason = Arc::<str>::from("their reason");
    let limit = Duration::from_secs(1);
    let steps = [Step::Connect, Step::Acknowledge, Step::Respond, Step::FinishMessage, Step::Read];
    let mut all = vec![
        RemoteError::unreachable(&std::io::Error::from_raw_os_error(111)),
        RemoteError::Lost { code: Some(1011), reason: reason.clone() },
        RemoteError::Silent,
        RemoteError::TooLarge(1),
        RemoteError::NotJson(200),
        RemoteError::NotGraphQL(200),
        RemoteError::Status(500),
        RemoteError::Unavailable { status: 503, retry_after: limit },
        RemoteError::Redirect(302),
        RemoteError::Refused { code: None, reason },
        RemoteError::Protocol(Arc::from("frame is masked")),
        RemoteError::Busy { what: "operations", limit: 1 },
        RemoteError::CircuitOpen,
        RemoteError::ShutDown,
    ];
    all.extend(steps.map(|what| RemoteError::Timeout { what, limit }));
    all
}

#[test]
fn what_the_network_says_is_in_the_detail_alone() {
    for error in all() {
        let (plain, named) = (error.to_string(), error.of_service("reviews"));
        assert!(plain.contains("the service"), "{plain}");
        assert_eq!(named, plain.replacen("the service", "the service `reviews`", 1));
        assert!(!plain.contains("os error"), "{plain}");
        assert!(error.in_detail().starts_with(&plain), "{}", error.in_detail());
    }
    let [unreachable, ..] = &all()[..] else { panic!("there are some") };
    assert_eq!(unreachable.to_string(), "the service cannot be reached");
    assert!(unreachable.in_detail().contains("os error 111"), "{}", unreachable.in_detail());
    // What is no fault of the service does not name it.
    assert_eq!(RemoteError::TooSlow(7).of_service("x"), RemoteError::TooSlow(7).to_string());
}
