#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that fails says where")]

use super::*;
use crate::cli::report::sample::{self, HOSTILE};

/// Start tags of a page, with their attributes.
fn tags(page: &str) -> Vec<&str> {
    page.split('<').skip(1).map(|rest| rest.split('>').next().unwrap()).collect()
}

#[test]
fn nothing_is_loaded_or_run() {
    let page = page(&sample::document(3, HOSTILE));
    for tag in tags(&page) {
        let name = tag.split([' ', '/']).find(|word| !word.is_empty()).unwrap_or_default();
        assert!(
            !["script", "img", "iframe", "link", "object", "embed", "base", "form"].contains(&name),
            "<{tag}>"
        );
        for attribute in tag.split(' ').skip(1) {
            let name = attribute.split('=').next().unwrap();
            assert!(!name.starts_with("on") && name != "style" && name != "src", "<{tag}>");
        }
    }
    assert!(page.contains("default-src &#39;none&#39;; style-src &#39;sha256-"));
    assert!(!STYLE.contains("url(") && !STYLE.contains("@import") && !STYLE.contains('<'));
}

/// The same elements, whatever the cluster's texts are: none of them becomes markup.
#[test]
fn hostile_text_changes_no_element() {
    let names = |page: &str| {
        let of = |tag: &&str| tag.split(' ').next().unwrap().to_owned();
        tags(page).iter().map(of).collect::<Vec<_>>()
    };
    let plain = page(&sample::document(3, "plain"));
    let hostile = page(&sample::document(3, HOSTILE));
    assert_eq!(names(&plain), names(&hostile));
    assert!(hostile.contains("&lt;script&gt;"), "the text itself is shown");
    for c in ['\0', '\u{1b}', '\u{202e}', '\u{2066}'] {
        assert!(!hostile.contains(c), "{c:?}");
    }
}

/// Every link within the page leads somewhere, and nothing has the name of something else.
#[test]
fn links_lead_somewhere() {
    let page = page(&sample::document(12, "x"));
    let ids: Vec<&str> =
        page.split(" id=\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    let unique: std::collections::HashSet<_> = ids.iter().collect();
    assert_eq!(ids.len(), unique.len());
    for link in page.split("href=\"#").skip(1).map(|rest| rest.split('"').next().unwrap()) {
        assert!(ids.contains(&link), "#{link}");
    }
}

#[test]
fn headings_go_down_one_at_a_time() {
    let page = page(&sample::document(6, "x"));
    let levels: Vec<u32> = tags(&page)
        .into_iter()
        .filter_map(|tag| tag.strip_prefix('h')?.get(..1)?.parse().ok())
        .collect();
    assert_eq!(levels[0], 1);
    assert_eq!(levels.iter().filter(|level| **level == 1).count(), 1);
    for pair in levels.windows(2) {
        assert!(pair[1] <= pair[0] + 1, "{pair:?}");
    }
}

/// What the figures say is what the document says, and the reader's row 47 is at the top.
#[test]
fn the_page_says_what_the_document_says() {
    let document = sample::document(3, "x");
    let page = page(&document);
    let text =
        format!("{} of {} running containers", document.summary.root, document.summary.containers);
    assert!(page.contains(&text), "{text}");
    let at = |what: &str| page.find(what).unwrap_or_else(|| panic!("{what}"));
    assert!(at(&text) < at("id=\"root\""));
    for limit in &document.limits {
        assert!(page.contains(&limit.what));
    }
    assert!(page.contains("SEC-12") && page.contains("until 2027-03-01"));
}

/// Reports for `make report-check`, which holds them against a browser and other programs: written only
/// where it says so.
#[test]
fn reports_for_other_programs() {
    use crate::cli::report::{openreports, oscal};
    let Ok(directory) = std::env::var("IRONHULL_REPORT_PAGES") else { return };
    let directory = std::path::Path::new(&directory);
    for (name, workloads, text) in
        [("small", 6, "web"), ("hostile", 6, HOSTILE), ("large", 300, "web")]
    {
        let document = sample::document(workloads, text);
        let write = |end: &str, text: String| {
            std::fs::write(directory.join(format!("{name}{end}")), text).unwrap();
        };
        write(".html", page(&document));
        write("-oscal.json", oscal::assessment_results(&document).unwrap().to_string());
        write("-openreports.json", openreports::list(&document, true).to_string());
    }
}
