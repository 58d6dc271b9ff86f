import { useDraft } from "./draft";
import { AreaField, CheckField, ChoiceField, ListField, ModelFields, NumberField, TextField } from "./fields";
import { useFormTexts } from "./texts";
import { KnowledgeChoices, ToolsFields } from "./tools";

const choices = (names: Record<string, string>) => Object.entries(names).map(([value, label]) => ({ value, label }));

/** What only a chat assistant has: its model and prompt, its memory, what it looks up, its tools. */
export function ChatflowFields() {
  const t = useFormTexts();
  return (
    <>
      <fieldset className="card">
        <legend>{t.chat}</legend>
        <AreaField at={["chat_config", "system_prompt"]} label={t.prompt} />
        <ModelFields at={["chat_config"]} labels={t.model} hint={t.chatModelHint} />
        <div className="columns">
          <NumberField at={["chat_config", "temperature"]} label={t.temperature} min={0} max={2} step="any" />
          <NumberField at={["chat_config", "max_tokens"]} label={t.maxTokens} min={1} />
        </div>
        <AreaField at={["chat_config", "welcome_message"]} label={t.welcome} />
        <ListField at={["chat_config", "suggested_questions"]} label={t.suggestions} hint={t.perLine} lines />
        <ChoiceField at={["chat_config", "concurrent_turns"]} label={t.concurrentTurns} choices={choices(t.concurrencies)} />
      </fieldset>
      <Memory />
      <Retrieval />
      <section className="card"><ToolsFields at={["tools"]} /></section>
    </>
  );
}

function Memory() {
  const t = useFormTexts();
  const kind = String(useDraft().at(["memory_config", "type"]));
  const isHybrid = kind === "hybrid";
  return (
    <fieldset className="card">
      <legend>{t.memory}</legend>
      <ChoiceField at={["memory_config", "type"]} label={t.memoryType} choices={choices(t.memories)} />
      <div className="columns">
        <NumberField at={["memory_config", "max_messages"]} label={t.maxMessages} placeholder="20" min={1} max={10_000} />
        {(kind === "summary" || isHybrid) && <NumberField at={["memory_config", "summary_threshold"]} label={t.summaryThreshold} placeholder="20" min={1} max={10_000} />}
        {(kind === "vector" || isHybrid) && <NumberField at={["memory_config", "vector_top_k"]} label={t.recalled} placeholder="5" min={1} max={1000} />}
        {(kind === "vector" || isHybrid) && <NumberField at={["memory_config", "similarity_threshold"]} label={t.similarity} placeholder="0" min={0} max={1} step="any" />}
        {isHybrid && <NumberField at={["memory_config", "buffer_weight"]} label={t.bufferWeight} placeholder="0.5" min={0} max={1} step="any" />}
        {isHybrid && <NumberField at={["memory_config", "summary_weight"]} label={t.summaryWeight} placeholder="0.2" min={0} max={1} step="any" />}
        {isHybrid && <NumberField at={["memory_config", "vector_weight"]} label={t.vectorWeight} placeholder="0.3" min={0} max={1} step="any" />}
      </div>
    </fieldset>
  );
}

function Retrieval() {
  const t = useFormTexts();
  const draft = useDraft();
  const at = ["rag_config"];
  const isReranking = Boolean(draft.at([...at, "reranking_enabled"]));
  return (
    <fieldset className="card">
      <legend>{t.retrieval}</legend>
      <CheckField at={[...at, "enabled"]} label={t.retrievalEnabled} />
      {Boolean(draft.at([...at, "enabled"])) && (
        <>
          <KnowledgeChoices at={[...at, "knowledgebase_ids"]} />
          <ChoiceField at={[...at, "retrieval_strategy"]} label={t.retrievalStrategy} choices={choices(t.retrievals)} />
          <div className="columns">
            <NumberField at={[...at, "top_k"]} label={t.topK} placeholder="5" min={1} max={1000} />
            <NumberField at={[...at, "score_threshold"]} label={t.scoreThreshold} min={0} max={1} step="any" />
          </div>
          <CheckField at={[...at, "reranking_enabled"]} label={t.reranking} />
          {isReranking && <TextField at={[...at, "reranking_model"]} label={t.rerankingModel} maxLength={255} />}
        </>
      )}
    </fieldset>
  );
}
