//! What the webhook is told of seeding.

use super::{helm, render};

/// The webhook is told its own image, under the name by which other namespaces pull it.
#[test]
fn the_webhook_knows_its_own_image() {
    let Some(helm) = helm() else { return };
    let own = "image.repository=registry.corp/ironhull,image.tag=1.2,image.pullPolicy=Always";
    let hash = format!("sha256:{}", "0".repeat(64));
    let digest = format!("image.digest={hash}");
    let by_digest = format!("registry.corp/ironhull:1.2@{hash}");
    for (values, image) in [
        ("", Some(("registry.corp/ironhull:1.2", "Always"))),
        (&digest, Some((&by_digest, "Always"))),
        (
            "seeding.image=mirror.corp/ironhull:1.2,seeding.pullPolicy=Never",
            Some(("mirror.corp/ironhull:1.2", "Never")),
        ),
        ("seeding.enabled=false", None),
    ] {
        let rendered = render(&helm, &["--set", own, "--set", values]);
        let told = rendered.matches("--seed-image").count();
        match image {
            None => assert_eq!(told, 0, "{values}"),
            Some((image, policy)) => {
                let image = format!("- --seed-image={image}\n");
                let policy = format!("- --seed-image-pull-policy={policy}\n");
                assert!(told == 2 && rendered.contains(&image), "{values}");
                assert!(rendered.contains(&policy), "{values}");
            }
        }
    }
}
