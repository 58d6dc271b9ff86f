import { type ComponentProps, useState } from "react";
import { Checkbox, Input, Select, TextArea } from "../../../kit/forms";
import { type Path, useDraft } from "./draft";

interface Placed {
  at: Path;
  label: string;
  hint?: string;
}

const textOf = (value: unknown) => (typeof value === "string" || typeof value === "number" ? String(value) : "");

/** A text; null where it is empty, unless it must be there. */
export function TextField({ at, required, ...input }: Placed & Pick<ComponentProps<"input">, "required" | "maxLength" | "placeholder" | "list">) {
  const draft = useDraft();
  return (
    <Input {...input} required={required} value={textOf(draft.at(at))} error={draft.problemAt(at)}
      onChange={({ target }) => draft.set(at, target.value === "" && !required ? null : target.value)} />
  );
}

export function AreaField({ at, ...area }: Placed & { rows?: number }) {
  const draft = useDraft();
  return (
    <TextArea {...area} value={textOf(draft.at(at))} error={draft.problemAt(at)}
      onChange={({ target }) => draft.set(at, target.value === "" ? null : target.value)} />
  );
}

/** A value written as JSON. What is none (yet) is kept from the draft, and keeps the form from being sent. */
export function JsonField({ at, invalid, ...area }: Placed & { invalid: string }) {
  const draft = useDraft();
  const kept = draft.at(at);
  const [written, setWritten] = useState<string>();
  const [isBroken, setIsBroken] = useState(false);
  const change = (area: HTMLTextAreaElement) => {
    const read = jsonOf(area.value);
    setWritten(area.value);
    setIsBroken(read === undefined);
    area.setCustomValidity(read === undefined ? invalid : "");
    if (read !== undefined) draft.set(at, read);
  };
  const shown = written ?? (kept === undefined || kept === null ? "" : JSON.stringify(kept, null, 2));
  return (
    <TextArea {...area} rows={5} spellCheck={false} className="code" value={shown}
      error={isBroken ? invalid : draft.problemAt(at)} onChange={({ target }) => change(target)} />
  );
}

/** null for nothing; undefined for what is no JSON. */
function jsonOf(text: string): unknown {
  if (text.trim() === "") return null;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** A number; left out where it is empty, so that the API's default holds. */
export function NumberField({ at, step = 1, ...input }: Placed & Pick<ComponentProps<"input">, "min" | "max" | "step" | "placeholder">) {
  const draft = useDraft();
  return (
    <Input {...input} type="number" step={step} value={textOf(draft.at(at))} error={draft.problemAt(at)}
      onChange={({ target }) => draft.set(at, target.value === "" ? undefined : target.valueAsNumber)} />
  );
}

export function CheckField({ at, label }: Placed) {
  const draft = useDraft();
  return <Checkbox label={label} checked={Boolean(draft.at(at))} onChange={({ target }) => draft.set(at, target.checked)} />;
}

export interface Choice {
  value: string;
  label: string;
}

/** One of several. `none`: what it says where nothing is chosen; without it, something always is. */
export function ChoiceField({ at, choices, none, ...select }: Placed & { choices: readonly Choice[]; none?: string }) {
  const draft = useDraft();
  return (
    <Select {...select} value={textOf(draft.at(at))} error={draft.problemAt(at)}
      onChange={({ target }) => draft.set(at, target.value === "" ? null : target.value)}>
      {none !== undefined && <option value="">{none}</option>}
      {choices.map(({ value, label }) => <option key={value} value={value}>{label}</option>)}
    </Select>
  );
}

/** Any of several, by their boxes. */
export function ChoicesField({ at, label, choices }: Placed & { choices: readonly Choice[] }) {
  const draft = useDraft();
  const chosen = (draft.at(at) ?? []) as string[];
  const problem = draft.problemAt(at);
  const toggle = (value: string, isChosen: boolean) =>
    draft.set(at, isChosen ? [...chosen, value] : chosen.filter((each) => each !== value));
  return (
    <fieldset className="choices" tabIndex={-1} aria-invalid={problem ? true : undefined}>
      <legend>{label}</legend>
      {problem && <div className="error">{problem}</div>}
      {choices.map((choice) => (
        <Checkbox key={choice.value} label={choice.label} checked={chosen.includes(choice.value)}
          onChange={({ target }) => toggle(choice.value, target.checked)} />
      ))}
    </fieldset>
  );
}

/** A list of texts, parted by commas or, with `lines`, by line ends. */
export function ListField({ at, lines, ...field }: Placed & { lines?: boolean }) {
  const draft = useDraft();
  const list = (draft.at(at) ?? []) as string[];
  const [written, setWritten] = useState("");
  // As it was written, with the comma that has just been typed, as long as the list says the same.
  const isOwn = JSON.stringify(listOf(written, lines)) === JSON.stringify(list);
  const change = (text: string) => {
    setWritten(text);
    draft.set(at, listOf(text, lines));
  };
  const shared = { ...field, value: isOwn ? written : list.join(lines ? "\n" : ", "), error: draft.problemAt(at) };
  return lines
    ? <TextArea {...shared} onChange={({ target }) => change(target.value)} />
    : <Input {...shared} onChange={({ target }) => change(target.value)} />;
}

const listOf = (text: string, lines?: boolean) =>
  text.split(lines ? "\n" : ",").map((part) => part.trim()).filter(Boolean);

/** Which model: the provider's name and the model's, both or neither. */
export function ModelFields({ at, labels, hint }: { at: Path; labels: { provider: string; model: string }; hint?: string }) {
  return (
    <>
      <div className="columns">
        <TextField at={[...at, "llm_provider"]} label={labels.provider} maxLength={100} list="providers" />
        <TextField at={[...at, "llm_model"]} label={labels.model} maxLength={255} />
      </div>
      {hint && <p className="quiet">{hint}</p>}
    </>
  );
}
