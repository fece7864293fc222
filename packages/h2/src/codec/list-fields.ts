// list-fields.ts — decoded fields as handlers read them.
import type { Fields } from "@percore/http";
import type { Field } from "./hpack/field.ts";

export class ListFields implements Fields {
  readonly #fields: readonly Field[];

  constructor(fields: readonly Field[]) {
    this.#fields = fields;
  }

  get size(): number {
    return this.#fields.length;
  }

  get(name: string): string | undefined {
    let joined: string | undefined;
    for (const field of this.#fields) {
      if (field.name.text !== name) continue;
      if (joined === undefined) joined = field.value.text;
      else if (name === "set-cookie") return joined;
      else joined += (name === "cookie" ? "; " : ", ") + field.value.text;
    }
    return joined;
  }

  getAll(name: string): string[] {
    const values: string[] = [];
    for (const field of this.#fields) if (field.name.text === name) values.push(field.value.text);
    return values;
  }

  has(name: string): boolean {
    for (const field of this.#fields) if (field.name.text === name) return true;
    return false;
  }

  count(name: string): number {
    let count = 0;
    for (const field of this.#fields) if (field.name.text === name) count += 1;
    return count;
  }

  nameAt(index: number): string {
    return this.#fields[index].name.text;
  }

  rawNameAt(index: number): string {
    return this.#fields[index].name.text;
  }

  valueAt(index: number): string {
    return this.#fields[index].value.text;
  }
}
