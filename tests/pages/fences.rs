//! The fenced blocks of the pages.

use std::fs;

use super::all;

/// A fenced block.
pub struct Fence {
    /// `README.md:12`, where its text begins.
    pub place: String,
    /// The word after the fence: `sh`, `console`, `yaml`.
    pub language: String,
    /// What is in it.
    pub text: String,
}

/// Every fenced block of every page that is written in `language`.
pub fn fences(language: &str) -> Vec<Fence> {
    let mut found = Vec::new();
    for page in all() {
        let text = fs::read_to_string(&page).unwrap();
        let name = page.file_name().unwrap().to_str().unwrap();
        let mut open: Option<Fence> = None;
        for (index, line) in text.lines().enumerate() {
            match (line.strip_prefix("```"), &mut open) {
                (Some(language), None) => {
                    let place = format!("{name}:{}", index + 2);
                    let language = language.to_owned();
                    open = Some(Fence { place, language, text: String::new() });
                }
                (Some(_), Some(_)) => found.extend(open.take()),
                (None, Some(fence)) => {
                    fence.text.push_str(line);
                    fence.text.push('\n');
                }
                (None, None) => {}
            }
        }
        assert!(open.is_none(), "{name}: a fence is not closed");
    }
    found.retain(|fence| fence.language == language);
    found
}
