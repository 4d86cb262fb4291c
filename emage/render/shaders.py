"""What runs on the graphics card, in GLSL 3.30: bodies, walls, the floor and the area that a body covers."""

# Light is added up in linear values; a gamma of 2 is near sRGB and costs a root.
ENCODING = """
vec3 to_linear(vec3 c) { return c * c; }
vec3 to_display(vec3 c) { return sqrt(clamp(c, 0.0, 1.0)); }
"""

# Lit at the vertices: they are as close as a few pixels, and there are far fewer of them than of samples.
BODY_VERTEX = (
    """
#version 330
uniform mat4 view_projection;
uniform vec3 part_colors[5];
uniform vec3 eye;
uniform mat3 camera_axes;
in vec3 position;
in vec3 normal;
in uint leaf;
in vec4 own_color;
out vec3 front;
#ifdef TWO_SIDED
out vec3 back;
#endif
"""
    + ENCODING
    + """
vec3 lit(vec3 n, vec3 v, vec3 albedo, float polish) {
    vec3 key = camera_axes * vec3(-0.485, 0.661, 0.573);
    vec3 fill = camera_axes * vec3(0.830, 0.147, 0.538);
    vec3 rim = camera_axes * vec3(0.352, 0.553, -0.755);
    float wrapped = max((dot(n, key) + 0.25) / 1.25, 0.0);
    vec3 sky = mix(vec3(0.20, 0.19, 0.20), vec3(0.42, 0.44, 0.48), 0.5 + 0.5 * n.y);
    vec3 light = sky + vec3(0.80, 0.77, 0.72) * wrapped * wrapped + vec3(0.16, 0.18, 0.22) * max(dot(n, fill), 0.0);
    float edge = pow(1.0 - max(dot(n, v), 0.0), 4.0);
    float glint = pow(max(dot(n, normalize(key + v)), 0.0), mix(28.0, 90.0, polish));
    float shine = mix(0.055, 0.30, polish) * glint + 0.30 * edge * max(dot(n, rim) + 0.2, 0.0);
    return to_display(albedo * light + shine);
}
void main() {
    vec3 albedo = to_linear(mix(part_colors[min(leaf, 4u)], own_color.rgb, own_color.a));
    vec3 v = normalize(eye - position);
    front = lit(normal, v, albedo, own_color.a);
#ifdef TWO_SIDED
    back = lit(-normal, v, albedo, own_color.a);
#endif
    gl_Position = view_projection * vec4(position, 1.0);
}
"""
)

BODY_FRAGMENT = """
#version 330
in vec3 front;
out vec4 pixel;
#ifdef TWO_SIDED
in vec3 back;
void main() { pixel = vec4(gl_FrontFacing ? front : back, 1.0); }
#else
void main() { pixel = vec4(front, 1.0); }
#endif
"""

# A rectangle of the picture. Software renderers do all the work of a shader in each of its pixels, taken branch or not:
# so the wall, the floor and the body are drawn by a shader each, where they are.
AREA_VERTEX = """
#version 330
uniform vec4 area;  // left, bottom, right, top in -1..1
out vec2 place;
void main() {
    place = vec2(gl_VertexID % 2 == 0 ? area.x : area.z, gl_VertexID / 2 == 0 ? area.y : area.w);
    gl_Position = vec4(place, 0.0, 1.0);
}
"""

WALL = (
    ENCODING
    + """
uniform vec3 background;
in vec2 place;
out vec4 pixel;
// By height alone, so that panels side by side join.
vec3 wall() { return background * (1.03 - 0.06 * place.y * place.y); }
// Less than one step of 8 bits, in a fine pattern: without it the wide gradients show rings.
float dither() {
    return (fract(52.9829189 * fract(dot(gl_FragCoord.xy, vec2(0.06711056, 0.00583715)))) - 0.5) / 255.0;
}
"""
)

WALL_FRAGMENT = (
    "#version 330\n"
    + WALL
    + """
void main() { pixel = vec4(to_display(wall()) + dither(), 1.0); }
"""
)

# Where the pixel's ray meets the floor.
FLOOR_FRAGMENT = (
    "#version 330\n"
    + WALL
    + """
uniform vec3 floor_color;
uniform vec3 line_color;
uniform vec3 eye;
uniform mat3 camera_axes;
uniform vec2 slopes;      // of the ray through the right and the upper edge
uniform float floor_y;
uniform vec2 centre;      // x, z round which the floor fades
uniform float reach;      // where it is gone
uniform vec3 shadow_area; // x, z of its corner, width
uniform sampler2D shadow;
float line(vec2 at, float spacing, float width, float footprint) {
    vec2 distance_m = abs(fract(at / spacing - 0.5) - 0.5) * spacing;
    float soft = max(width, footprint);
    vec2 cover = 1.0 - smoothstep(vec2(0.5 * width), vec2(0.5 * width + soft), distance_m);
    return max(cover.x, cover.y) * min(width / footprint, 1.0);
}
void main() {
    vec3 ray = camera_axes * vec3(place * slopes, -1.0);
    vec2 at = eye.xz + ray.xz * ((floor_y - eye.y) / min(ray.y, -1e-4));
    float footprint = 0.75 * length(vec2(length(dFdx(at)), length(dFdy(at))));
    float fade = 1.0 - smoothstep(0.2 * reach, reach, length(at - centre));
    float lines = line(at, 0.5, 0.006, footprint) * fade;
    vec2 dark = texture(shadow, (at - shadow_area.xy) / shadow_area.z).rg;
    float light = (1.0 - 0.55 * dark.r) * (1.0 - 0.60 * dark.g);
    pixel = vec4(to_display(mix(wall(), mix(floor_color, line_color, lines) * light, fade)) + dither(), 1.0);
}
"""
)

# The mean of the body's samples; its alpha is how much of the pixel it covers.
BODY_AREA_FRAGMENT = """
#version 330
uniform SAMPLER body;
out vec4 pixel;
void main() {
    vec4 sum = vec4(0.0);
    for (int i = 0; i < SAMPLES; i++) sum += texelFetch(body, ivec2(gl_FragCoord.xy), i);
    pixel = sum / float(SAMPLES);
}
"""
