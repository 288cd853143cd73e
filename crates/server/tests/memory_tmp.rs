#![allow(clippy::unwrap_used, missing_docs, dead_code)]
#[path = "it/support/mod.rs"]
mod support;
use support::socket::{MODERN, RawSocket};
fn rss() -> usize {
    let s = std::fs::read_to_string("/proc/self/status").unwrap();
    s.lines()
        .find(|l| l.starts_with("VmRSS"))
        .unwrap()
        .split_whitespace()
        .nth(1)
        .unwrap()
        .parse()
        .unwrap()
}
#[tokio::test(flavor = "multi_thread")]
async fn memory() {
    let mut server = support::start().await;
    let mut hold = Vec::new();
    let n: usize = 4000;
    for round in 0..3 {
        let before = rss();
        for i in 0..n {
            let mut s = RawSocket::connect(server.address, MODERN, b"").await;
            s.text(r#"{"type":"connection_init"}"#).await;
            s.frame().await;
            if round > 0 {
                s.text(r#"{"id":"1","type":"subscribe","payload":{"query":"live a"}}"#).await;
                s.frame().await;
            }
            let _ = i;
            hold.push(s);
        }
        println!("round {round}: {} bytes per connection (both ends)", (rss() - before) * 1024 / n);
    }
    let t = std::time::Instant::now();
    let c0 = std::fs::read_to_string("/proc/self/stat").unwrap();
    for v in 0..20 {
        server.fake.publish("a", format!("{{\"data\":\"{v}{}\"}}", "x".repeat(300)));
        for s in hold.iter_mut().skip(n) {
            s.frame().await;
        }
    }
    let c1 = std::fs::read_to_string("/proc/self/stat").unwrap();
    let f = |c: &str, i: usize| c.split(' ').nth(i).unwrap().parse::<u64>().unwrap();
    println!(
        "160000 messages in {:?}; user {} ms sys {} ms (client included)",
        t.elapsed(),
        (f(&c1, 13) - f(&c0, 13)) * 10,
        (f(&c1, 14) - f(&c0, 14)) * 10
    );
    server.stop();
    server.stopped().await;
}
