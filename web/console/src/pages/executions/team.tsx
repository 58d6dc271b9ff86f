import { Graph, layout } from "@dagrejs/dagre";
import type { TeamEdge, TeamGraph, TeamNode } from "@perdure/client";
import { useId, useMemo } from "react";
import { useStatusTexts } from "../../kit/status";
import "./executions.css";
import { useTexts } from "./texts";

const WIDTH = 168;
const HEIGHT = 56;
/** Letters of a name that fit on a node; wide ones count twice. */
const LETTERS = 17;

interface Placed {
  width: number;
  height: number;
  nodes: (TeamNode & { x: number; y: number })[];
  edges: (TeamEdge & { points: { x: number; y: number }[] })[];
}

interface TeamDrawingProps {
  graph: TeamGraph;
  label: string;
  /** Of the node that is pointed out. */
  chosen?: string | undefined;
  onChoose?: (id: string) => void;
}

/** Who works for whom, drawn from left to right, with the state of each; the same is told by the list of steps. */
export function TeamDrawing({ graph, label, chosen, onChoose }: TeamDrawingProps) {
  const placed = useMemo(() => place(graph), [graph]);
  const arrow = useId();
  return (
    <div className="team" role="group" aria-label={label} tabIndex={0}>
      <svg width={placed.width} height={placed.height} viewBox={`0 0 ${placed.width} ${placed.height}`}>
        <defs>
          <marker id={arrow} viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" orient="auto-start-reverse">
            <path d="M0 0 L8 4 L0 8 z" className="arrow" />
          </marker>
        </defs>
        {placed.edges.map(({ from, to, kind, points }) => (
          <path key={`${from} ${to}`} d={`M${points.map(({ x, y }) => `${x} ${y}`).join(" L")}`} className={`edge ${kind}`} markerEnd={`url(#${arrow})`} />
        ))}
        {placed.nodes.map((node) => <Node key={node.id} node={node} isChosen={node.id === chosen} onChoose={onChoose} />)}
      </svg>
    </div>
  );
}

function Node({ node, isChosen, onChoose }: { node: Placed["nodes"][number]; isChosen: boolean; onChoose?: (id: string) => void }) {
  const t = useTexts();
  const statuses = useStatusTexts();
  const told = [statuses[node.status], node.steps > 1 && t.times(node.steps), node.retries > 0 && t.retries(node.retries)].filter(Boolean).join(" · ");
  const name = short(node.label);
  // Without a run there are no states to tell.
  const isRun = onChoose !== undefined;
  const shape = (
    <>
      {name !== node.label && <title>{node.label}</title>}
      <rect width={WIDTH} height={HEIGHT} rx={node.type === "tool" || node.type === "flow" ? 4 : 14} />
      <text x={WIDTH / 2} y={isRun ? 23 : 33} className="name">{name}</text>
      {isRun && <text x={WIDTH / 2} y={43} className="state">{told}</text>}
    </>
  );
  const shared = { className: `node ${node.status}${isChosen ? " chosen" : ""}`, transform: `translate(${node.x - WIDTH / 2} ${node.y - HEIGHT / 2})`, "data-node": node.label, "data-status": node.status };
  if (!isRun) return <g {...shared}>{shape}</g>;
  return (
    <g {...shared} role="button" tabIndex={0} aria-pressed={isChosen} onClick={() => onChoose(node.id)}
      onKeyDown={(event) => {
        if (event.key !== "Enter" && event.key !== " ") return;
        event.preventDefault();
        onChoose(node.id);
      }}>
      {shape}
    </g>
  );
}

function place(team: TeamGraph): Placed {
  const graph = new Graph();
  graph.setGraph({ rankdir: "LR", nodesep: 18, ranksep: 46, marginx: 4, marginy: 4 });
  graph.setDefaultEdgeLabel(() => ({}));
  for (const node of team.nodes) graph.setNode(node.id, { width: WIDTH, height: HEIGHT });
  for (const { from, to } of team.edges) graph.setEdge(from, to);
  layout(graph);
  const { width = 0, height = 0 } = graph.graph() as { width?: number; height?: number };
  return {
    width,
    height,
    nodes: team.nodes.map((node) => {
      const { x, y } = graph.node(node.id) as { x: number; y: number };
      return { ...node, x, y };
    }),
    edges: team.edges.map((edge) => ({ ...edge, points: (graph.edge(edge.from, edge.to) as { points: { x: number; y: number }[] }).points })),
  };
}

/** As much of a name as fits. */
function short(name: string): string {
  let room = LETTERS;
  let end = 0;
  for (const letter of name) {
    room -= letter.charCodeAt(0) > 0x1100 ? 2 : 1;
    if (room < 0) return `${name.slice(0, end)}…`;
    end += letter.length;
  }
  return name;
}
