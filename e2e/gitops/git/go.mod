module ironhull.dev/e2e/gitops/git

go 1.26.0
