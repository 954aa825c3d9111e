//! Decodes bytes as UTF-8. For another encoding, the line with the first wrong byte is reported.

/// What to do about another encoding.
pub const HELP: &str = "save the file as UTF-8: editors ask for the encoding in \"Save as\"";

/// A file that is not UTF-8.
#[derive(Debug)]
pub struct OtherEncoding {
    /// The bytes decoded one by one as letters: enough to show the line.
    pub shown: String,
    /// The offset in `shown` of the first byte that is not UTF-8.
    pub at: usize,
    utf16: bool,
}

impl OtherEncoding {
    pub fn message(&self) -> String {
        if self.utf16 {
            return "this file is UTF-16, not UTF-8".to_owned();
        }
        let line = self.shown[..self.at].matches('\n').count() + 1;
        format!("this file is not UTF-8: line {line} holds a letter as Latin-1 (Windows-1252) writes it")
    }
}

/// Decodes a file.
pub fn text(bytes: Vec<u8>) -> Result<String, OtherEncoding> {
    let utf16 = bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]);
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let bytes = error.into_bytes();
        let letters = |bytes: &[u8]| bytes.iter().map(|byte| char::from(*byte)).collect::<String>();
        // The bytes before `valid` are UTF-8, and are shown as such.
        let before = String::from_utf8_lossy(&bytes[..valid]).into_owned();
        OtherEncoding { at: before.len(), shown: before + &letters(&bytes[valid..]), utf16 }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn e06_another_encoding_is_told_with_its_line() {
        assert_eq!(text("é\n".into()).unwrap(), "é\n");
        let other = text(b"a: \xc3\xa9\nb: caf\xe9\n".to_vec()).unwrap_err();
        assert_eq!(&other.shown[other.at..], "é\n");
        assert!(other.message().contains("line 2"), "{}", other.message());
        assert!(text(b"\xff\xfea\0".to_vec()).unwrap_err().message().contains("UTF-16"));
    }
}
