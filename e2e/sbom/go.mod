module ironhull.dev/e2e/sbom

go 1.26.0
