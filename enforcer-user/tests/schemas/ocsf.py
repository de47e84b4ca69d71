"""Writes ocsf.json: pip install ocsf-json-schema==1.2.0; python3 ocsf.py > ocsf.json"""

import json

from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema

CLASSES = [0, 2004, 3001, 3004, 4001, 4003, 6002, 6008]
PROFILES = ["host", "security_control"]
WORDS = {"title", "description"}


def without_words(value, named=False):
    """Drops what is for people; below `properties` and `$defs` keys are names."""
    if isinstance(value, list):
        return [without_words(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        key: without_words(item, key in ("properties", "$defs"))
        for key, item in value.items()
        if named or key not in WORDS
    }


schemas = OcsfJsonSchemaEmbedded(get_ocsf_schema(version="1.8.0"))
objects, classes = {}, {}
for uid in CLASSES:
    name = schemas.lookup_class_name_from_uid(class_uid=uid)
    schema = without_words(schemas.get_class_schema(class_name=name, profiles=PROFILES))
    for key, value in schema.pop("$defs").items():
        assert objects.setdefault(key, value) == value, f"{key} is not the same in all classes"
    classes[str(uid)] = schema


def lines(table):
    line = lambda key: f"{json.dumps(key)}:{json.dumps(table[key], sort_keys=True, separators=(',', ':'))}"
    return ",\n".join(line(key) for key in sorted(table))


print(f'{{"classes":{{\n{lines(classes)}\n}},"$defs":{{\n{lines(objects)}\n}}}}')
