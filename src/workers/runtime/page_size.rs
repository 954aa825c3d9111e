//! How many items a remote is asked for at once.

/// At most `MOST`. A page that is too large to read makes the next ones smaller, and pages that can be read make them
/// larger again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageSize<const MOST: usize>(usize);

impl<const MOST: usize> Default for PageSize<MOST> {
    fn default() -> Self {
        Self(MOST)
    }
}

impl<const MOST: usize> PageSize<MOST> {
    pub fn now(self) -> usize {
        self.0
    }

    /// A page was too large. False if it had one item: no smaller one can be read.
    pub fn shrink(&mut self) -> bool {
        let was = self.0;
        self.0 = (was / 2).max(1);
        was > 1
    }

    /// A page was read.
    pub fn grow(&mut self) {
        self.0 = (self.0 * 2).min(MOST);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_shrinks_to_one_item_and_grows_back() {
        let mut size = PageSize::<100>::default();
        let mut sizes = vec![size.now()];
        while size.shrink() {
            sizes.push(size.now());
        }
        assert_eq!(sizes, [100, 50, 25, 12, 6, 3, 1]);
        for larger in [2, 4, 8, 16, 32, 64, 100, 100] {
            size.grow();
            assert_eq!(size.now(), larger);
        }
    }
}
