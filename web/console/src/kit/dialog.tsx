import { type ReactNode, useEffect, useId, useRef, useState } from "react";
import { Problem } from "./problem";
import { useCommonTexts } from "./texts";

/** A modal dialog: Escape closes it, focus stays in it and returns to where it was. Render it only while it is open. */
export function Dialog({ title, onClose, children }: { title: string; onClose: () => void; children: ReactNode }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => {
    const shown = dialog.current;
    shown?.showModal();
    return () => shown?.close();
  }, []);
  return (
    <dialog ref={dialog} aria-labelledby={id} onCancel={onClose}>
      <h2 id={id}>{title}</h2>
      {children}
    </dialog>
  );
}

interface ConfirmProps {
  /** What the button says, and the one that confirms. */
  label: string;
  /** What is asked. */
  question: string;
  /** Tells this button from others that say the same. */
  name?: string;
  /** Its promise closes the dialog; a refusal stays in it. */
  onConfirm: () => Promise<unknown>;
}

/** A button for what cannot be taken back: it asks first. */
export function ConfirmButton({ label, question, name, onConfirm }: ConfirmProps) {
  const t = useCommonTexts();
  const [isOpen, setOpen] = useState(false);
  const [isPending, setPending] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const close = () => {
    setOpen(false);
    setError(null);
  };
  const confirm = async () => {
    setPending(true);
    try {
      await onConfirm();
      close();
    } catch (refused) {
      setError(refused);
    } finally {
      setPending(false);
    }
  };
  return (
    <>
      <button type="button" aria-label={name ? `${label}: ${name}` : undefined} onClick={() => setOpen(true)}>{label}</button>
      {isOpen && (
        <Dialog title={question} onClose={close}>
          <Problem error={error} />
          <div className="actions">
            <button type="button" className="danger" disabled={isPending} onClick={() => void confirm()}>{label}</button>
            <button type="button" onClick={close}>{t.cancel}</button>
          </div>
        </Dialog>
      )}
    </>
  );
}
