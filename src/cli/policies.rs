//! The policies that `--policy` names.

use std::path::Path;

use super::manifest::ManifestError;
use crate::policy::PolicySet;

/// Reads the policies of a file or a directory; without one, the built-in ones.
///
/// # Errors
/// What is wrong with them.
pub fn read(path: Option<&Path>) -> Result<PolicySet, Vec<ManifestError>> {
    let mut files = Vec::new();
    if let Some(path) = path {
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|error| {
            vec![ManifestError {
                file: name.clone(),
                document: None,
                at: None,
                message: error.to_string(),
                hint: None,
            }]
        })?;
        files.push(crate::policy::diagnostic::Source { name, text });
    }
    PolicySet::load(&files, None).map(|(set, _)| set).map_err(|diagnostics| {
        let error = |diagnostic: &crate::policy::diagnostic::Diagnostic| ManifestError {
            file: diagnostic.place.file.to_string(),
            document: None,
            at: Some((diagnostic.place.line, diagnostic.place.column)),
            message: diagnostic.message.clone(),
            hint: diagnostic.hint.clone(),
        };
        diagnostics.iter().map(error).collect()
    })
}
