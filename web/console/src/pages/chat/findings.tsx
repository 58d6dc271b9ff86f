import type { LiveTurn } from "@perdure/client";
import { Link } from "react-router";
import { useTexts } from "./texts";

/** What an answer draws on: chunks of documents by document, place and score, and tools that were called. */
export function Findings({ turn: { sources, tools }, isTold = false }: { turn: LiveTurn; isTold?: boolean }) {
  const t = useTexts();
  if (sources.length === 0 && tools.length === 0) return isTold ? <p className="quiet">{t.noSources}</p> : null;
  return (
    <>
      {tools.length > 0 && (
        <ul className="quiet" aria-label={t.tools}>
          {tools.map((tool) => (
            <li key={tool.step_id}>
              <code>{tool.name}</code> {tool.status === "called" ? t.toolCalled : tool.is_error ? t.toolFailed : t.toolReturned}
            </li>
          ))}
        </ul>
      )}
      {sources.length > 0 && (
        <details className="sources" open>
          <summary>{t.sources(sources.length)}</summary>
          <ol>
            {sources.map((source) => (
              <li key={source.number} value={source.number}>
                <Link to={`/knowledge/${source.knowledgebase_id}`}>{source.document_name}</Link>
                {" · "}{t.chunk(source.chunk_index + 1)} · {t.score(source.score.toFixed(2))}
              </li>
            ))}
          </ol>
        </details>
      )}
    </>
  );
}
