export const writePage = () => "(soon)";
