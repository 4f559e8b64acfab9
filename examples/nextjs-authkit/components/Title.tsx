export function Title() {
  return (
    <h1>
      <img src="/icon.svg" alt="" width="32" height="32" /> Soup board
    </h1>
  );
}
