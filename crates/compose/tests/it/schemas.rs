//! Random schemas of three sources that can be composed.

use std::fmt::Write;

use artesian_compose::{Part, ReadLimits, ServiceSchema};

use crate::choices::Choices;

pub struct Source {
    pub name: String,
    pub sdl: String,
    pub field_prefix: &'static str,
    pub type_prefix: &'static str,
}

impl Source {
    pub fn part(&self) -> Part {
        let schema = ServiceSchema::from_sdl(&self.sdl, &ReadLimits::default());
        let mut part =
            Part::new(self.name.as_str(), schema.unwrap_or_else(|e| panic!("{e}\n{}", self.sdl)));
        part.field_prefix = self.field_prefix.to_owned();
        part.type_prefix = self.type_prefix.to_owned();
        part
    }
}

/// Types that every source may have, in several forms of writing.
const SHARED: [&str; 2] = [
    "scalar Json interface Node { id: ID! } interface Label { label: String } \
     type Shared implements Node & Label { id: ID! label: String more: Json day(of: Range = {day: MON}): Day } \
     type Other { id: ID! shared: [Shared!] } union Mixed = Shared | Other \
     enum Day { MON TUE } input Range { from: Int = 1 day: Day list: [String!] }",
    "enum Day { TUE MON } input Range { list: [String!] day: Day from: Int = 1 } scalar Json \
     \"described\" type Other { shared: [Shared!] id: ID! } union Mixed = Other | Shared \
     interface Label { label: String @deprecated } interface Node { id: ID! } \
     type Shared implements Label & Node { day(of: Range = {day: MON}): Day id: ID! more: Json label: String }",
];

const OUTPUTS: [&str; 12] = [
    "Int", "String", "Boolean", "Float", "ID", "Json", "Day", "Shared", "Other", "Node", "Label",
    "Mixed",
];

pub fn sources(choices: &mut Choices<'_>) -> Vec<Source> {
    (0..3).map(|index| source(choices, index)).collect()
}

fn source(choices: &mut Choices<'_>, index: usize) -> Source {
    let field_prefix = ["", "p1_", "p2_"][if choices.one_in(2) { index } else { 0 }];
    let type_prefix = ["P0_", "P1_", "P2_"][index];
    let type_prefix = if choices.one_in(2) { type_prefix } else { "" };
    // Without a prefix, names must be its own.
    let root_prefix = if field_prefix.is_empty() { format!("s{index}") } else { String::new() };
    let own_prefix = if type_prefix.is_empty() { format!("S{index}") } else { String::new() };
    let mut writer = Writer { choices, own_prefix, sdl: String::new() };
    writer.sdl.push_str(SHARED[writer.choices.below(2)]);
    let query = if writer.choices.one_in(2) { "Query" } else { "Root" };
    let own = 2 + writer.choices.below(2);
    for i in 0..own {
        let interfaces = writer.choices.below(4);
        writer.object(i, interfaces, query);
    }
    let name = |i: usize| format!("{}Own{i}", writer.own_prefix);
    let union = format!(" union {}Any = {} | {}", writer.own_prefix, name(0), name(1));
    writer.sdl.push_str(&union);
    let mutation = writer.choices.below(3);
    let subscription = writer.choices.below(2);
    let _ = write!(writer.sdl, " schema {{ query: {query}");
    for (word, count) in [("mutation", mutation), ("subscription", subscription)] {
        if count > 0 {
            let _ = write!(writer.sdl, " {word}: {word}_root");
        }
    }
    writer.sdl.push_str(" } ");
    let queries = 1 + writer.choices.below(4);
    writer.root(query, queries, &format!("{root_prefix}q"));
    writer.root("mutation_root", mutation, &format!("{root_prefix}m"));
    writer.root("subscription_root", subscription, &format!("{root_prefix}s"));
    let sdl = writer.sdl;
    Source { name: format!("source{index}"), sdl, field_prefix, type_prefix }
}

struct Writer<'a, 'b> {
    choices: &'a mut Choices<'b>,
    own_prefix: String,
    sdl: String,
}

impl Writer<'_, '_> {
    fn object(&mut self, i: usize, interfaces: usize, query: &str) {
        let own = &self.own_prefix;
        let implements =
            ["", " implements Node", " implements Label", " implements Node & Label"][interfaces];
        let _ = write!(self.sdl, " type {own}Own{i}{implements} {{");
        if interfaces & 1 == 1 {
            self.sdl.push_str(" id: ID!");
        }
        if interfaces & 2 == 2 {
            self.sdl.push_str(" label: String");
        }
        for field in 0..1 + self.choices.below(4) {
            self.field(&format!("f{field}"));
        }
        if self.choices.one_in(6) {
            let _ = write!(self.sdl, " back: {query}");
        }
        self.sdl.push_str(" }");
    }

    fn root(&mut self, name: &str, fields: usize, prefix: &str) {
        if fields == 0 {
            return;
        }
        let _ = write!(self.sdl, " type {name} {{");
        for i in 0..fields {
            self.field(&format!("{prefix}{i}"));
        }
        self.sdl.push_str(" }");
    }

    fn field(&mut self, name: &str) {
        let mut args = Vec::new();
        for i in 0..self.choices.below(3) {
            let ty = *self
                .choices
                .of(&["Int", "Range", "[Day!]", "String!", "Json", "ID = 7", "Int! = 2"]);
            args.push(format!("a{i}: {ty}"));
        }
        let args = if args.is_empty() { String::new() } else { format!("({})", args.join(", ")) };
        // Objects of its own are half of what there is.
        let base = if self.choices.one_in(2) {
            let kind = *self.choices.of(&["Own0", "Own1", "Any"]);
            format!("{}{kind}", self.own_prefix)
        } else {
            (*self.choices.of(&OUTPUTS)).to_owned()
        };
        let ty = match self.choices.below(8) {
            0..4 => base,
            4 => format!("{base}!"),
            5 => format!("[{base}]"),
            6 => format!("[{base}!]!"),
            _ => format!("[[{base}!]]"),
        };
        let _ = write!(self.sdl, " {name}{args}: {ty}");
    }
}
