//! Follows a path of names to the shape of what it leads to.

use std::collections::HashMap;
use std::ops::Range;

use crate::mapping::language::names::{Path, Step};
use crate::mapping::language::shape::Shape;

/// The first part of a path that is not there. `so_far` is the path before it.
#[derive(Debug)]
pub enum Unknown<'p> {
    Root,
    /// The object has other entries.
    Entry {
        so_far: String,
        name: &'p str,
        span: &'p Range<usize>,
        entries: &'static [(&'static str, Shape)],
    },
    /// A list or a single value has no entries.
    NotAnObject {
        so_far: String,
        is_list: bool,
        name: &'p str,
        span: &'p Range<usize>,
    },
}

/// The shape of a path. A local name stands before a root of the same name.
pub fn walk<'p>(
    roots: &[(&'static str, Shape)],
    locals: &HashMap<&str, Shape>,
    path: &'p Path<'_>,
) -> Result<Shape, Unknown<'p>> {
    let root = || roots.iter().find(|(name, _)| *name == path.root).map(|(_, shape)| *shape);
    let mut shape = locals.get(path.root).copied().or_else(root).ok_or(Unknown::Root)?;
    let mut so_far = path.root.to_owned();
    for step in &path.steps {
        shape = match (step, shape) {
            (_, Shape::Any) | (Step::Computed, _) => Shape::Any,
            (Step::Item, Shape::List(item)) => *item,
            (Step::Item, shape) => shape,
            (Step::Name(name, span), Shape::Object(entries)) => {
                let Some((_, found)) = entries.iter().find(|(entry, _)| entry == name) else {
                    return Err(Unknown::Entry { so_far, name, span, entries });
                };
                so_far = format!("{so_far}.{name}");
                *found
            }
            (Step::Name(name, span), shape) => {
                let is_list = matches!(shape, Shape::List(_));
                return Err(Unknown::NotAnObject { so_far, is_list, name, span });
            }
        };
    }
    Ok(shape)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mapping::language::known::Names;
    use crate::mapping::language::{jinja, names};

    fn walked(text: &str) -> String {
        let tokens = jinja::expression(text);
        let (path, _) = names::path(&tokens, 0);
        let locals = HashMap::from([("mine", Shape::List(&Shape::Leaf))]);
        match walk(Names::Case.roots(), &locals, &path) {
            Ok(Shape::Leaf) => "leaf".to_owned(),
            Ok(Shape::Any) => "any".to_owned(),
            Ok(Shape::List(_)) => "list".to_owned(),
            Ok(Shape::Object(_)) => "object".to_owned(),
            Err(Unknown::Root) => "no root".to_owned(),
            Err(Unknown::Entry { so_far, name, .. }) => format!("{so_far} has no {name}"),
            Err(Unknown::NotAnObject { so_far, is_list, name, .. }) => {
                format!("{so_far} has no entries, so no {name}; a list: {is_list}")
            }
        }
    }

    #[test]
    fn a_path_leads_to_a_shape_or_to_its_first_unknown_part() {
        let table = [
            ("event", "leaf"),
            ("response.survey", "object"),
            ("response.survey.slug", "leaf"),
            ("response.answers", "list"),
            ("response[response.id].nothing", "any"),
            ("mine[0]", "leaf"),
            ("stranger.id", "no root"),
            ("response.survey.slig", "response.survey has no slig"),
            ("response.nothing.more", "response has no nothing"),
            ("response.answers.value", "response.answers has no entries, so no value; a list: true"),
            ("event.id", "event has no entries, so no id; a list: false"),
        ];
        for (text, expected) in table {
            assert_eq!(walked(text), expected, "{text}");
        }
    }
}
