// The mail as a React component, rendered where the functions run.
import { renderToStaticMarkup } from "react-dom/server.edge";
import { formatDate } from "date-fns/format";

type Article = { title: string; url: string };

function Digest({ name, articles, date }: { name: string; articles: Article[]; date: Date }) {
  return (
    <html lang="en">
      <body style={{ fontFamily: "sans-serif" }}>
        <h1>Good morning, {name}!</h1>
        <p>{formatDate(date, "EEEE, d MMMM yyyy")}</p>
        <ul>
          {articles.map((article) => (
            <li key={article.url}>
              <a href={article.url}>{article.title}</a>
            </li>
          ))}
        </ul>
      </body>
    </html>
  );
}

export const render = (name: string, articles: Article[], date: Date) => `<!doctype html>${renderToStaticMarkup(<Digest name={name} articles={articles} date={date} />)}`;
