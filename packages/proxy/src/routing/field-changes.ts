// field-changes.ts — removes, sets and adds header fields of a message that is to be sent.
import type { FieldList } from "@percore/http";
import type { FieldChanges } from "../plan.ts";
import { type Filler, fillTemplate } from "./template.ts";

/** The fields as they are to be sent. Without changes it is the list that was given. */
export const changeFields = (changes: FieldChanges | null, fields: FieldList, filler: Filler): FieldList => {
  if (changes === null) return fields;
  const changed: string[] = [];
  for (let at = 0; at < fields.length; at += 2) {
    const name = fields[at].toLowerCase();
    if (changes.remove.has(name) || changes.set.some((one) => one.name === name)) continue;
    changed.push(fields[at], fields[at + 1]);
  }
  for (const { name, value } of changes.set) changed.push(name, fillTemplate(value, filler));
  for (const { name, value } of changes.add) changed.push(name, fillTemplate(value, filler));
  return changed;
};
