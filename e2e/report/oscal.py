"""Reads OSCAL assessment results with the models that compliance-trestle generates from NIST's JSON
schema: a member that is unknown, missing or of another form is an error."""

import json
import sys

from trestle.oscal.assessment_results import AssessmentResults

for name in sys.argv[1:]:
    with open(name, encoding="utf-8") as file:
        document = json.load(file)
    assert list(document) == ["assessment-results"], name
    AssessmentResults.parse_obj(document["assessment-results"])
    print("oscal:", name.rsplit("/", 1)[-1], "is what the schema takes")
