//! Record ids: 15 case-sensitive characters, or 18 that also work without case (reference, section 2).

const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const CHECK: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ012345";

/// The `number`-th id of an object, 18 characters. Later ids are greater in byte order.
pub fn make(prefix: &str, number: u64) -> String {
    let mut tail = [b'0'; 9];
    let mut rest = number;
    for slot in tail.iter_mut().rev() {
        *slot = DIGITS[usize::try_from(rest % 62).unwrap_or_default()];
        rest /= 62;
    }
    full(&format!("{prefix}Sm0{}", String::from_utf8_lossy(&tail)))
}

/// Either form, as 18 characters. `None`: it is neither.
pub fn normal(id: &str) -> Option<String> {
    let shaped = matches!(id.len(), 15 | 18) && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
    shaped.then(|| full(&id[..15]))
}

/// The 15 characters that error messages show.
pub fn short(id: &str) -> &str {
    id.get(..15).unwrap_or(id)
}

fn full(id: &str) -> String {
    let check = id.as_bytes().chunks(5).map(|chunk| {
        let upper = chunk.iter().enumerate().filter(|(_, byte)| byte.is_ascii_uppercase());
        let bits: usize = upper.map(|(place, _)| 1 << place).sum();
        char::from(CHECK[bits])
    });
    id.chars().chain(check).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The pair of ids that the reference quotes in 1.4 and 2.1.
    #[test]
    fn an_id_of_15_characters_gets_its_check_characters() {
        assert_eq!(normal("00190000001pPvH").unwrap(), "00190000001pPvHAAU");
        assert_eq!(normal("00190000001pPvHAAU").unwrap(), "00190000001pPvHAAU");
        assert_eq!(normal("00190000001"), None);
        assert!(make("500", 61) < make("500", 62));
    }
}
