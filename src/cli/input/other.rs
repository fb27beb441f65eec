//! Guesses from its text what a file is that cannot be read. A repository has many files that end
//! in `.json` and `.yaml` and were never meant for Kubernetes.

/// What the text is, if it is not a manifest.
pub(super) fn what(text: &str) -> Option<&'static str> {
    if is_meant_for_kubernetes(text) {
        return None;
    }
    let mut lines = text.lines().map(str::trim_start);
    let json = text.trim_start().starts_with(['{', '[', '/']);
    Some(if ["{{", "{%", "<%"].iter().any(|mark| text.contains(mark)) {
        "a template"
    } else if json && lines.any(|line| line.contains("//") || line.starts_with("/*")) {
        "JSON with comments"
    } else if json {
        "not JSON as Kubernetes reads it"
    } else {
        "not YAML as Kubernetes reads it"
    })
}

/// Whether the text has the two keys that every object of Kubernetes has.
pub(super) fn is_meant_for_kubernetes(text: &str) -> bool {
    has_key(text, "apiVersion") && has_key(text, "kind")
}

/// Whether the word stands where a key could: a word of its own, with a colon after it.
fn has_key(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(at, _)| {
        let (before, rest) = text.split_at_checked(at).unwrap_or_default();
        let after = rest.strip_prefix(word).unwrap_or_default();
        let begins = before.chars().next_back().is_none_or(|c| " \t\n\r{,\"'-\u{feff}".contains(c));
        begins && after.trim_start_matches(['"', '\'']).trim_start().starts_with(':')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_tell_what_is_meant_for_kubernetes() {
        for text in [
            "apiVersion: v1\nkind: Pod\n",
            "{\"kind\": \"Pod\", // a pod\n \"apiVersion\": \"v1\"}",
            "{{- if .Values.on }}\napiVersion: apps/v1\nkind: {{ .Values.kind }}\n{{- end }}",
            "{apiVersion: v1, kind: Pod",
            "items:\n- kind : Pod\n  apiVersion : v1",
        ] {
            assert_eq!(what(text), None, "{text}");
        }
        for (text, is) in [
            ("// for tsc\n{\"compilerOptions\": {}}", "JSON with comments"),
            ("{\n  // strict\n  \"strict\": true\n}", "JSON with comments"),
            ("{\"a\": 1,}", "not JSON as Kubernetes reads it"),
            ("host: {{ host }}\nkind: web\n", "a template"),
            ("a: b: c", "not YAML as Kubernetes reads it"),
            ("# apiVersion is v1\nmankind: 1\napiVersions: 2", "not YAML as Kubernetes reads it"),
        ] {
            assert_eq!(what(text), Some(is), "{text}");
        }
    }
}
