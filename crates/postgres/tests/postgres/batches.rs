//! One statement for many parameter sets.

use artesian_database::{Backend, BackendError};
use proptest::{
    collection::vec,
    option,
    prelude::*,
    test_runner::{Config, TestRunner},
};

use crate::common::{Database, statement, values};

fn batch_statement() -> artesian_sql::Statement {
    let mut batch = statement(
        "SELECT json_build_array($1::text, $2::int4, $3::text[], $4::box::text)",
        &["text", "int4", "text[]", "\"pg_catalog\".\"box\""],
    );
    batch.batch_sql = "SELECT p.i::int4, json_build_array(p.a, p.b, p.c::text[], p.d::text)::text
         FROM unnest($1::text[], $2::int4[], $3::text[], $4::box[]) WITH ORDINALITY AS p(a, b, c, d, i)
         WHERE p.i <= $5::int4 ORDER BY md5(p.i::text)"
        .into();
    batch
}

#[tokio::test]
async fn batches() {
    let database = Database::new().await;
    let backend = database.backend();
    let batch = batch_statement();
    let sets = [
        values(&[Some("a,b"), Some("1"), Some("{x,NULL}"), Some("(1,1),(0,0)")]),
        values(&[None, None, None, None]),
        values(&[Some("NULL"), Some("-1"), Some("{\"q\\\"\\\\\"}"), Some("(2,2),(0,0)")]),
        values(&[Some("\\{}\"' é😀\n\t"), Some("7"), Some("{}"), None]),
        values(&[Some(""), Some("0"), Some("{{a},{b}}"), None]),
    ];
    for count in 0..=sets.len() {
        for _ in 0..3 {
            let together = backend.fetch_batch(&batch, &sets[..count]).await.unwrap();
            assert_eq!(together.len(), count);
            for (result, set) in together.iter().zip(&sets) {
                assert_eq!(*result, backend.fetch(&batch, set).await.unwrap());
            }
        }
    }
    let mut broken = batch.clone();
    for rows in ["WHERE i > 1", "UNION ALL SELECT 1", "UNION ALL SELECT 9", "UNION ALL SELECT 0"] {
        broken.batch_sql = format!(
            "SELECT i::int4, '{{}}' FROM (SELECT * FROM generate_series(1, $5::int4) AS i {rows}) AS x
             WHERE ($1::text[], $2::int4[], $3::text[], $4::box[]) IS NOT NULL"
        )
        .into();
        assert!(backend.fetch_batch(&broken, &sets).await.is_err(), "{rows}");
    }
    let plain = statement("SELECT '1'", &[]);
    let same = backend.fetch_batch(&plain, &[values(&[]), values(&[])]).await.unwrap();
    assert!(same.len() == 2 && same[0].as_ptr() == same[1].as_ptr(), "run once");
    let wrong = values(&[Some("a"), Some("x"), None, None]);
    let error = backend.fetch_batch(&batch, &[sets[0].clone(), wrong]).await;
    assert!(matches!(error, Err(BackendError::Rejected { code, .. }) if code == "22P02"));
}

#[test]
fn any_text_survives_a_batch() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (_database, backend) = runtime.block_on(async {
        let database = Database::new().await;
        let backend = database.backend();
        (database, backend)
    });
    let mut echo = statement("SELECT to_json($1::text)::text", &["text"]);
    echo.batch_sql = "SELECT i::int4, COALESCE(to_json(p.a)::text, 'null')
         FROM unnest($1::text[]) WITH ORDINALITY AS p(a, i) WHERE i <= $2::int4"
        .into();
    let awkward = r#"[a"\\{},;' \n\t()é😀NULl]{0,8}"#;
    let text = prop_oneof![awkward, any::<String>().prop_map(|text| text.replace('\0', ""))];
    let mut runner =
        TestRunner::new(Config { failure_persistence: None, ..Config::with_cases(200) });
    let outcome = runner.run(&vec(option::weighted(0.8, text), 2..20), |texts| {
        let batch: Vec<_> = texts.iter().map(|text| values(&[text.as_deref()])).collect();
        let results = runtime.block_on(backend.fetch_batch(&echo, &batch)).unwrap();
        for (text, result) in texts.iter().zip(results) {
            let json: serde_json::Value = serde_json::from_slice(&result).unwrap();
            prop_assert_eq!(&serde_json::json!(text), &json["data"]);
        }
        Ok(())
    });
    outcome.unwrap();
}
