export function Title() {
  return (
    <h1>
      <img src="/soup.svg" alt="" width="32" height="32" /> Soup board
    </h1>
  );
}
