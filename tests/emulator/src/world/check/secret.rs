//! Checks of secrets.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::super::World;
use super::Mistakes;

pub(super) fn secrets(world: &World, found: &mut Mistakes) {
    for (name, secret) in &world.secrets {
        let at = format!("secrets.{name}");
        found.unless((1..=512).contains(&name.len()) && name.chars().all(is_name_character), || {
            format!("{at}: a name is 1 to 512 letters, digits and any of /_+=.@-")
        });
        let values = [Some(&secret.current), secret.previous.as_ref(), secret.pending.as_ref()];
        let values = values.into_iter().flatten();
        found.unless(values.clone().all(|value| !value.is_empty()), || format!("{at}: a value is empty"));
        found.unless(!secret.binary || values.clone().all(|value| STANDARD.decode(value).is_ok()), || {
            format!("{at}: with binary = true the values are base64")
        });
    }
}

fn is_name_character(c: char) -> bool {
    c.is_ascii_alphanumeric() || "/_+=.@-".contains(c)
}
