import { ApiError } from "@perdure/client";
import { useQueryClient } from "@tanstack/react-query";
import { useRouteError } from "react-router";
import { useCommonTexts } from "./texts";

/** What went wrong, in the server's own words; nothing where nothing did. */
export function Problem({ error }: { error: unknown }) {
  const t = useCommonTexts();
  if (error === null || error === undefined) return null;
  const problem = error instanceof ApiError ? error.problem : undefined;
  return (
    <section className="card problem" role="alert">
      <strong>{problem?.title ?? t.somethingWrong}</strong>
      <div>{error instanceof Error ? error.message : String(error)}</div>
      {problem?.errors && problem.errors.length > 1 && (
        <ul>
          {problem.errors.map(({ loc, msg }) => <li key={`${loc.join(".")} ${msg}`}>{loc.slice(1).join(".")}: {msg}</li>)}
        </ul>
      )}
    </section>
  );
}

/** The page in the place of one that could not be shown. */
export function ProblemPage() {
  const t = useCommonTexts();
  const queries = useQueryClient();
  const again = () => {
    queries.clear();
    location.reload();
  };
  return (
    <>
      <h1>{t.somethingWrong}</h1>
      <Problem error={useRouteError()} />
      <button type="button" onClick={again}>{t.tryAgain}</button>
    </>
  );
}

/** No page at this address. */
export function NotFound() {
  return <h1>{useCommonTexts().notFound}</h1>;
}
