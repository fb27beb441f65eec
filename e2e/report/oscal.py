"""Reads OSCAL assessment results by NIST's JSON schema, whose file is the first argument, and with the
models that compliance-trestle generates from it: a member that is unknown, missing or of another form is
an error."""

import json
import sys

import jsonschema_rs  # of the validators for Python the one that knows the schema's `\\p{L}`
from trestle.oscal.assessment_results import AssessmentResults


def read(name):
    with open(name, encoding="utf-8") as file:
        return json.load(file)


schema = read(sys.argv[1])
validator = jsonschema_rs.validator_for(schema, validate_formats=True)
# A schema that takes anything would be as quiet.
assert not validator.is_valid({"assessment-results": {}}), sys.argv[1]
print("oscal: the schema is", schema["$id"])
wrong = False
for name in sys.argv[2:]:
    document = read(name)
    assert list(document) == ["assessment-results"], name
    short = name.rsplit("/", 1)[-1]
    errors = list(validator.iter_errors(document))
    for error in errors:
        print("oscal:", short, "/".join(map(str, error.instance_path)), error.message[:300])
    AssessmentResults.parse_obj(document["assessment-results"])
    if not errors:
        print("oscal:", short, "is what the schema and the models take")
    wrong = wrong or bool(errors)
sys.exit(wrong)
