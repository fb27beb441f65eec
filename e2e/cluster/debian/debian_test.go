package debian

import "testing"

func TestDocumentationIsLeftOut(t *testing.T) {
	for path, expected := range map[string]bool{
		"./usr/share/doc/nginx/copyright": true,
		"./usr/share/doc/":                true,
		"./usr/share/man/man8/nginx.8.gz": true,
		"./usr/share/":                    false,
		"./usr/share/docs/x":              false,
		"./usr/sbin/nginx":                false,
	} {
		if got := isDocumentation(path); got != expected {
			t.Errorf("%s: %v", path, got)
		}
	}
}
