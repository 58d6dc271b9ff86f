import { useQueryClient } from "@tanstack/react-query";
import { useRouteError } from "react-router";
import { ProblemError } from "./api/client";
import { useWords } from "./words";

/** What went wrong, in the server's own words. */
export function Problem({ error }: { error: unknown }) {
  const words = useWords();
  const title = error instanceof ProblemError ? error.problem.title : words("somethingWrong");
  return (
    <section className="card problem" role="alert">
      <strong>{title}</strong>
      <div>{error instanceof Error ? error.message : String(error)}</div>
    </section>
  );
}

/** The page in the place of one that could not be shown. */
export function ProblemPage() {
  const words = useWords();
  const queries = useQueryClient();
  const again = () => {
    queries.clear();
    location.reload();
  };
  return (
    <>
      <h1>{words("somethingWrong")}</h1>
      <Problem error={useRouteError()} />
      <button type="button" onClick={again}>{words("tryAgain")}</button>
    </>
  );
}

/** No page at this address. */
export function NotFound() {
  return <h1>{useWords()("notFound")}</h1>;
}
