"""Writes the files of expected.py anew and says which have changed."""

from charts import ROOT, rendered
from expected import BINARY, LIBRARY, files


def main():
    made = files()
    schema = LIBRARY / "values.schema.json"
    for path in [schema, *(path for path in made if path != schema)]:  # helm reads it
        text = made[path]()
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.read_text() != text:
            path.write_text(text)
            print(f"changed {path.relative_to(ROOT)}")
        rendered.cache_clear() if path == schema else None
    if not BINARY:
        print("the schema of the configuration stays: ./dev build makes the gateway that has it")


if __name__ == "__main__":
    main()
