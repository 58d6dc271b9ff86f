import { type ComponentProps, type ReactNode, useId } from "react";

interface Labelled {
  label: string;
  /** What to know before filling it in. */
  hint?: ReactNode;
  /** What is wrong with what was filled in. */
  error?: string;
}

interface Described {
  "aria-describedby"?: string;
  "aria-invalid"?: boolean;
}

/** A label with what is filled in below it; its hint and its error are read with it. */
function Field({ label, hint, error, children }: Labelled & { children: (described: Described) => ReactNode }) {
  const id = useId();
  const described = { "aria-describedby": hint || error ? id : undefined, "aria-invalid": error ? true : undefined };
  return (
    <div className="field">
      <label>{label}{children(described)}</label>
      {(hint || error) && (
        <div className="quiet" id={id}>
          {error && <div className="error">{error}</div>}
          {hint}
        </div>
      )}
    </div>
  );
}

/** One line of text, a number, a date …: whatever `type` says. */
export function Input({ label, hint, error, ...input }: Labelled & ComponentProps<"input">) {
  return <Field label={label} hint={hint} error={error}>{(described) => <input {...described} {...input} />}</Field>;
}

/** Several lines of text. */
export function TextArea({ label, hint, error, ...area }: Labelled & ComponentProps<"textarea">) {
  return <Field label={label} hint={hint} error={error}>{(described) => <textarea rows={3} {...described} {...area} />}</Field>;
}

/** One of several: its options are the children. */
export function Select({ label, hint, error, ...select }: Labelled & ComponentProps<"select">) {
  return <Field label={label} hint={hint} error={error}>{(described) => <select {...described} {...select} />}</Field>;
}

/** Yes or no. */
export function Checkbox({ label, ...input }: { label: string } & Omit<ComponentProps<"input">, "type">) {
  return <label className="check"><input type="checkbox" {...input} />{label}</label>;
}

/** Opens all that a field is folded into: one that nobody sees cannot be mended. For `onInvalidCapture` of a form. */
export function unfold(field: Element | null | undefined): void {
  for (let box = field?.closest("details"); box; box = box.parentElement?.closest("details")) box.open = true;
}
