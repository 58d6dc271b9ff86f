import type { RetrievalStrategy } from "@perdure/client";
import { useSearchKnowledge } from "@perdure/client/react";
import { Input, Select } from "../../kit/forms";
import { Loading } from "../../kit/layout";
import { Problem } from "../../kit/problem";
import { useCommonTexts } from "../../kit/texts";
import { useTexts } from "./texts";

const STRATEGIES: RetrievalStrategy[] = ["similarity", "mmr", "hybrid"];
const TOP = 5;

/** What a chat or an agent would find with a question, and with which score. */
export function TryOut({ id }: { id: string }) {
  const t = useTexts();
  const common = useCommonTexts();
  const { data, error, isPending, mutate } = useSearchKnowledge(id);
  const search = (form: FormData) => {
    const lowest = String(form.get("lowest"));
    mutate({
      query: String(form.get("query")),
      retrieval_strategy: STRATEGIES.find((each) => each === form.get("strategy")),
      top_k: Number(form.get("howMany")),
      score_threshold: lowest === "" ? null : Number(lowest),
    });
  };
  return (
    <>
      <form className="card" onSubmit={(event) => {
        // Not an action of React: that would empty the fields, which are there to be varied.
        event.preventDefault();
        search(new FormData(event.currentTarget));
      }}>
        <Input label={t.query} name="query" required />
        <div className="bar">
          <Select label={t.strategy} name="strategy">{STRATEGIES.map((each) => <option key={each}>{each}</option>)}</Select>
          <Input label={t.howMany} name="howMany" type="number" min={1} max={100} defaultValue={TOP} required />
          <Input label={t.lowest} name="lowest" type="number" step="any" />
          <button className="main">{common.search}</button>
        </div>
      </form>
      {isPending && <Loading />}
      <Problem error={error} />
      {data && (
        <section aria-label={t.tryOut}>
          <p role="status">{data.results.length === 0 ? t.noResults : t.results(data.results.length)}</p>
          {data.results.map((hit) => (
            <article className="card" key={`${hit.document_id} ${hit.chunk_index}`}>
              <div className="row">
                <strong>{hit.document_name}</strong>
                <span className="quiet">{t.part(hit.chunk_index + 1)} · {t.score(hit.score.toFixed(3))}</span>
              </div>
              <pre className="scrolled" tabIndex={0}>{hit.content}</pre>
            </article>
          ))}
        </section>
      )}
    </>
  );
}
