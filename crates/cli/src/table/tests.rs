//! Tables as text.

use serde_json::json;

use super::*;

fn plain(previous: Option<&Json>, current: &Json, width: usize, height: usize) -> String {
    render(previous, current, Canvas { width, height, color: false }).join("\n")
}

fn marks(previous: &Json, current: &Json) -> Vec<Vec<Mark>> {
    let (old, new) = (previous.get("t"), &current["t"]);
    let table = table("t", old, new, true);
    table.rows.iter().map(|row| row.iter().map(|cell| cell.mark).collect()).collect()
}

#[test]
fn rows_stand_in_columns() {
    let data = json!({
        "orders": [
            {"id": 7, "status": "open", "courier": {"name": "Ann"}, "tags": ["a"]},
            {"id": 12, "status": "delivered", "courier": null, "tags": []},
        ],
        "town": {"name": "Oststadt"},
        "count": 3,
    });
    let expected = "\
orders (2 rows)
id  status     courier.name  tags
 7  open       Ann           [\"a\"]
12  delivered  ·             []

town
name
Oststadt

count
value
    3";
    assert_eq!(plain(None, &data, 80, 40), expected);
}

#[test]
fn an_empty_result_has_a_title_only() {
    assert_eq!(plain(None, &json!({"orders": []}), 80, 24), "orders (0 rows)");
    assert_eq!(plain(None, &json!({}), 80, 24), "");
    assert_eq!(plain(None, &json!(null), 80, 24), "");
}

#[test]
fn changes_are_marked_by_id_wherever_the_row_has_gone() {
    let before = json!({"t": [{"id": 1, "s": "a"}, {"id": 2, "s": "b"}]});
    let after = json!({"t": [{"id": 3, "s": "x"}, {"id": 1, "s": "a"}, {"id": 2, "s": "c"}]});
    use Mark::{Changed, New, Same};
    let expected = [[New, New], [Same, Same], [Same, Changed]];
    assert_eq!(marks(&before, &after), expected);
}

#[test]
fn changes_are_marked_by_place_where_there_is_no_id() {
    use Mark::{Changed, New, Same};
    let before = json!({"t": [{"s": "a"}, {"s": "b"}]});
    let after = json!({"t": [{"s": "a"}, {"s": "c"}, {"s": "d"}]});
    assert_eq!(marks(&before, &after), [[Same], [Changed], [New]]);
    // An id that several rows share tells nothing.
    let before = json!({"t": [{"id": 1, "s": "a"}, {"id": 1, "s": "b"}]});
    let after = json!({"t": [{"id": 1, "s": "a"}, {"id": 1, "s": "c"}]});
    assert_eq!(marks(&before, &after), [[Same, Same], [Same, Changed]]);
}

#[test]
fn the_first_result_marks_nothing_and_an_equal_one_neither() {
    let data = json!({"t": [{"id": 1}]});
    let canvas = Canvas { width: 80, height: 24, color: true };
    for previous in [None, Some(&data)] {
        let lines = render(previous, &data, canvas).join("\n");
        assert!(!lines.contains("\u{1b}[30;43m") && !lines.contains("\u{1b}[32m"), "{lines:?}");
    }
    let changed = render(Some(&json!({"t": [{"id": 1}]})), &json!({"t": [{"id": 2}]}), canvas);
    assert!(changed.join("\n").contains("\u{1b}[32m"));
}

#[test]
fn nothing_is_wider_or_higher_than_the_terminal() {
    let row =
        |i: usize| json!({"id": i, "long": "x".repeat(90), "wide": "漢字".repeat(20), "more": 1});
    let data = json!({
        "a": (0..50).map(row).collect::<Vec<_>>(),
        "b": (0..50).map(row).collect::<Vec<_>>(),
    });
    for (width, height) in [(80, 24), (30, 12), (12, 10), (3, 8)] {
        let lines = render(None, &data, Canvas { width, height, color: false });
        assert!(lines.len() <= height, "{} lines in {height}", lines.len());
        for line in &lines {
            let used = unicode_width::UnicodeWidthStr::width(line.as_str());
            assert!(used <= width.max(9), "{used} of {width}: {line}");
        }
    }
    let text = plain(None, &data, 40, 24);
    assert!(text.contains("… ") && text.contains(" more"), "{text}");
}

#[test]
fn data_cannot_steer_the_terminal() {
    let data = json!({"t": [{"a\u{1b}[2J": "x\u{1b}]0;title\u{7}\u{202e}y\nz"}]});
    let text = plain(None, &data, 80, 24);
    assert!(!text.contains('\u{1b}') && !text.contains('\u{7}') && !text.contains('\u{202e}'));
    assert!(text.contains("y⏎z"), "{text}");
}
