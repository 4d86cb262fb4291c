// The renderer's light and colours (emage/render/shaders.py), with the skinning done on the graphics card.

const ENCODING = `
vec3 to_linear(vec3 c) { return c * c; }
vec3 to_display(vec3 c) { return sqrt(clamp(c, 0.0, 1.0)); }
`;

const POSING = `
uniform sampler2D joints; // a row a joint: three rows of its matrix, and how far it is from the hint's
in vec4 owners;
in vec4 weights;
vec4 texel(int row, int which) { return texelFetch(joints, ivec2(which, row), 0); }
void pose_by(float owner, float weight, inout vec4 a, inout vec4 b, inout vec4 c, inout float away) {
  int row = int(owner + 0.5);
  a += weight * texel(row, 0);
  b += weight * texel(row, 1);
  c += weight * texel(row, 2);
  away += weight * texel(row, 3).x;
}
void find_pose(out mat4x3 matrix, out float away) {
  vec4 a = vec4(0.0), b = vec4(0.0), c = vec4(0.0);
  away = 0.0;
  pose_by(owners.x, weights.x, a, b, c, away);
  if (weights.y > 0.0) pose_by(owners.y, weights.y, a, b, c, away);
  if (weights.z > 0.0) pose_by(owners.z, weights.z, a, b, c, away);
  if (weights.w > 0.0) pose_by(owners.w, weights.w, a, b, c, away);
  matrix = mat4x3(a.x, b.x, c.x, a.y, b.y, c.y, a.z, b.z, c.z, a.w, b.w, c.w);
}
`;

const BODY_VERTEX = `
uniform vec3 partColors[5];
uniform float difference; // 1 where the distance from the hint is shown
in float part;
in vec4 ownColor;
out vec3 placed;
out vec3 turned;
out vec3 albedo;
out float polish;
${ENCODING}
${POSING}
void main() {
  mat4x3 matrix;
  float away;
  find_pose(matrix, away);
  vec4 world = modelMatrix * vec4(matrix * vec4(position, 1.0), 1.0);
  turned = mat3(modelMatrix) * (mat3(matrix) * normal);
  placed = world.xyz;
  vec3 color = mix(partColors[int(part + 0.5)], ownColor.rgb, ownColor.a);
  float share = difference * clamp(away, 0.0, 1.0);
  albedo = to_linear(mix(color, mix(vec3(0.98, 0.80, 0.25), vec3(0.86, 0.16, 0.12), share), min(1.0, 2.5 * share)));
  polish = ownColor.a;
  gl_Position = projectionMatrix * viewMatrix * world;
}
`;

const BODY_FRAGMENT = `
uniform mat3 cameraAxes;
uniform float opacity;
in vec3 placed;
in vec3 turned;
in vec3 albedo;
in float polish;
out vec4 pixel;
${ENCODING}
void main() {
  vec3 n = normalize(turned) * (gl_FrontFacing ? 1.0 : -1.0);
  vec3 v = normalize(cameraPosition - placed);
  vec3 key = cameraAxes * vec3(-0.485, 0.661, 0.573);
  vec3 fill = cameraAxes * vec3(0.830, 0.147, 0.538);
  vec3 rim = cameraAxes * vec3(0.352, 0.553, -0.755);
  float wrapped = max((dot(n, key) + 0.25) / 1.25, 0.0);
  vec3 sky = mix(vec3(0.20, 0.19, 0.20), vec3(0.42, 0.44, 0.48), 0.5 + 0.5 * n.y);
  vec3 light = sky + vec3(0.80, 0.77, 0.72) * wrapped * wrapped + vec3(0.16, 0.18, 0.22) * max(dot(n, fill), 0.0);
  float edge = pow(1.0 - max(dot(n, v), 0.0), 4.0);
  float glint = pow(max(dot(n, normalize(key + v)), 0.0), mix(28.0, 90.0, polish));
  float shine = mix(0.055, 0.30, polish) * glint + 0.30 * edge * max(dot(n, rim) + 0.2, 0.0);
  pixel = vec4(to_display(albedo * light + shine), opacity);
}
`;

// Nothing but depth, so that a transparent body hides its own inside.
const NOTHING_FRAGMENT = `
out vec4 pixel;
void main() { pixel = vec4(0.0); }
`;

// Each vertex falls on the floor as a texel: what is near darkens sharply, what is higher softly.
const FALL_VERTEX = `
uniform vec3 region; // x, z of its corner, width
uniform float floorY;
uniform float texelArea;
in float area;
out vec2 mass;
${POSING}
void main() {
  mat4x3 matrix;
  float away;
  find_pose(matrix, away);
  vec4 world = modelMatrix * vec4(matrix * vec4(position, 1.0), 1.0);
  float height = max(world.y - floorY, 0.0);
  mass = area / texelArea * exp(-height / vec2(0.05, 0.7));
  gl_Position = vec4(2.0 * (world.xz - region.xy) / region.z - 1.0, 0.0, 1.0);
  gl_PointSize = 1.0;
}
`;

const FALL_FRAGMENT = `
in vec2 mass;
out vec4 pixel;
void main() { pixel = vec4(mass, 0.0, 1.0); }
`;

const AREA_VERTEX = `
out vec2 at;
void main() {
  at = position.xy;
  gl_Position = vec4(position.xy, 0.0, 1.0);
}
`;

// One direction of a Gaussian; of the soft part every other texel is enough.
const BLUR_FRAGMENT = `
uniform sampler2D source;
uniform ivec2 direction;
uniform vec2 sigma; // texels
out vec4 pixel;
void main() {
  ivec2 here = ivec2(gl_FragCoord.xy), most = textureSize(source, 0) - 1;
  vec2 sum = vec2(0.0), all = vec2(0.0);
  for (int step = -14; step <= 14; step++) {
    float away = float(step);
    vec2 weight = exp(-0.5 * away * away / (sigma * sigma));
    sum += weight * texelFetch(source, clamp(here + step * direction, ivec2(0), most), 0).rg;
    all += weight;
  }
  pixel = vec4(sum / all, 0.0, 1.0);
}
`;

const FLOOR_VERTEX = `
out vec2 place;
void main() {
  vec4 world = modelMatrix * vec4(position, 1.0);
  place = world.xz;
  gl_Position = projectionMatrix * viewMatrix * world;
}
`;

const FLOOR_FRAGMENT = `
uniform vec3 floorColor;
uniform vec3 lineColor;
uniform vec2 centre;
uniform float reach;
uniform vec3 region;
uniform sampler2D mass;
in vec2 place;
out vec4 pixel;
${ENCODING}
float line(vec2 at, float spacing, float width, float footprint) {
  vec2 away = abs(fract(at / spacing - 0.5) - 0.5) * spacing;
  float soft = max(width, footprint);
  vec2 cover = 1.0 - smoothstep(vec2(0.5 * width), vec2(0.5 * width + soft), away);
  return max(cover.x, cover.y) * min(width / footprint, 1.0);
}
void main() {
  float footprint = 0.75 * length(vec2(length(dFdx(place)), length(dFdy(place))));
  float fade = 1.0 - smoothstep(0.2 * reach, reach, length(place - centre));
  float lines = line(place, 0.5, 0.006, footprint) * fade;
  vec2 dark = 1.0 - exp(-vec2(1.4, 0.55) * texture(mass, (place - region.xy) / region.z).rg);
  float light = (1.0 - 0.55 * dark.r) * (1.0 - 0.60 * dark.g);
  vec3 color = to_display(mix(floorColor, lineColor, lines) * light);
  float alpha = fade;
  pixel = vec4(color, alpha);
}
`;

const SEGMENT_VERTEX = `
in vec3 tint;
out vec3 turned;
out vec3 color;
void main() {
  vec4 world = modelMatrix * (instanceMatrix * vec4(position, 1.0));
  turned = normalize(mat3(modelMatrix) * (mat3(instanceMatrix) * normal));
  color = tint;
  gl_Position = projectionMatrix * viewMatrix * world;
}
`;

const SEGMENT_FRAGMENT = `
uniform mat3 cameraAxes;
in vec3 turned;
in vec3 color;
out vec4 pixel;
${ENCODING}
void main() {
  float light = 0.62 + 0.42 * max(dot(normalize(turned), cameraAxes * vec3(-0.3, 0.6, 0.74)), 0.0);
  pixel = vec4(to_display(to_linear(color) * light), 1.0);
}
`;
